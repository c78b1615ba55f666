import { randomBytes } from 'node:crypto'
import {
  type EventCollector,
  type FlowEndpoint,
  type FlowReason,
  formatAddress,
  type PacketProtocol,
  type RepeatedRefusal,
  type RuleSet,
  readableTags,
  TwoGenerationMap,
} from '@trireme/core'
import type { TcpPacket } from '../packet/tcp-packet.js'
import { rejected } from './decisions.js'
import type { ClientFlow, ServerFlow } from './flow.js'
import type { PeerClaims } from './live-flows.js'
import type { PUContext } from './pu-context.js'
import { RepeatedRefusals } from './repeated-refusals.js'
import { TokenBucket } from './token-bucket.js'

/** What one end decided, and why. */
export interface Decision {
  readonly verdict: 'accept' | 'reject'
  readonly reason: FlowReason
  readonly rule: string
  readonly observed: boolean
  /** The rule that would have denied what another rule accepts, if it did not only observe. */
  readonly wouldReject?: string
  /** What is likely behind the reason. */
  readonly hint?: string
}

export interface FlowReport {
  readonly pu: PUContext
  readonly peer?: { readonly claims: PeerClaims } | undefined
  readonly decision: Decision
  /** Absent where the SYN had no overlay. */
  readonly flowID?: string | undefined
  /** Which end of the connection the PU is. */
  readonly role: 'client' | 'server'
  /** The flow key of the packets from the client. */
  readonly key: string
  /** Default `tcp`. */
  readonly protocol?: PacketProtocol
}

/** Whoever floods a node with SYNs shall not decide how many records it makes of them. */
const REFUSED_STRANGERS_PER_SECOND = 200
/** Of one PU and one peer that proved its identity or that the PU connects to. */
const REFUSED_OF_PEER_PER_SECOND = 50
const REMEMBERED_PEERS = 4096

/**
 * Turns decisions into flow records, and counts them at the PU. Of peers that connect and prove no identity 200 refusals a second are
 * recorded, of any other peer 50 of one PU. What is beyond is counted as `unreported`, and by the peer's next record.
 */
export class Reporter {
  readonly #collector: EventCollector
  readonly #now: () => number
  readonly #monotonicNow: () => number
  readonly #refusedStrangers = new TokenBucket(REFUSED_STRANGERS_PER_SECOND)
  readonly #refusedPeers = new TwoGenerationMap<string, RefusedPeer>(REMEMBERED_PEERS)
  readonly #refusals = new RepeatedRefusals()

  /** @param now milliseconds since 1970. @param monotonicNow milliseconds that only grow; the same by default. */
  constructor(collector: EventCollector, now: () => number, monotonicNow: () => number = now) {
    this.#collector = collector
    this.#now = now
    this.#monotonicNow = monotonicNow
  }

  report(report: FlowReport): void {
    const { pu, peer, decision, role, key, protocol = 'tcp' } = report
    countDecision(pu, decision)
    const count = decision.verdict === 'reject' ? this.#countRefused(report) : 1
    if (count === 0) {
      pu.counters.count('unreported')
      return
    }
    const bytes = Buffer.from(key, 'latin1')
    const own = { id: pu.id, tags: pu.recordTags }
    const other = peer
      ? peerEnd(peer.claims, role === 'client' ? pu.transmitterRules : pu.receiverRules)
      : NOBODY
    this.#collector.collectFlowEvent({
      time: new Date(this.#now()).toISOString(),
      id: report.flowID ?? randomBytes(16).toString('hex'),
      source: endpoint(bytes, 0, role === 'client' ? own : other),
      destination: endpoint(bytes, 18, role === 'client' ? other : own),
      ...(protocol === 'tcp' ? {} : { protocol }),
      ...decision,
      count,
    })
  }

  /** Peers and PUs between which connections were refused: see `Enforcer.repeatedRefusals`. */
  repeatedRefusals(): readonly RepeatedRefusal[] {
    return this.#refusals.list()
  }

  /** For how many refusals the record of this one stands; 0 where it makes none. */
  #countRefused({ pu: { contextID }, peer, decision: { reason }, role, key }: FlowReport): number {
    const now = this.#monotonicNow()
    const issuer = peer?.claims.issuer ?? ''
    this.#refusals.note({ contextID, role, key, issuer, reason }, this.#now())
    if (!peer && role === 'server') return this.#refusedStrangers.take(now) ? 1 : 0
    const name = peer ? JSON.stringify([issuer, peer.claims.puID]) : key.slice(18, 34)
    const refused = this.#refusedPeer(`${contextID} ${name}`)
    if (!refused.bucket.take(now)) {
      refused.leftOut++
      return 0
    }
    const count = 1 + refused.leftOut
    refused.leftOut = 0
    return count
  }

  #refusedPeer(name: string): RefusedPeer {
    const known = this.#refusedPeers.get(name)
    if (known) return known
    const peer = { bucket: new TokenBucket(REFUSED_OF_PEER_PER_SECOND), leftOut: 0 }
    this.#refusedPeers.set(name, peer)
    return peer
  }
}

interface RefusedPeer {
  readonly bucket: TokenBucket
  /** Refusals since its last record. */
  leftOut: number
}

function countDecision({ counters }: PUContext, { observed, verdict, reason }: Decision): void {
  if (reason === 'unanswered') counters.count('unanswered')
  else counters.count(observed ? 'observed' : verdict === 'accept' ? 'accepted' : 'rejected')
  if (reason === 'refused') counters.count('refused')
}

const NOBODY = { id: '', tags: [] } as const

/** Of tags that travelled shortened, those that the deciding rules list can be read. */
function peerEnd(claims: PeerClaims, rules: RuleSet): Omit<FlowEndpoint, 'ip' | 'port'> {
  const { puID, shortTags } = claims
  if (!shortTags) return { id: puID, tags: claims.tags }
  const tags = readableTags(rules.tagsOf(claims))
  return { id: puID, tags, unreadTags: Math.max(0, shortTags.tags.size - tags.length) }
}

/** Reports a handshake under way that made room for another. */
export function reportDisplaced(
  reporter: Reporter,
  flow: ClientFlow | ServerFlow,
  role: FlowReport['role'],
): void {
  const { pu, peer, key, id } = flow
  pu.counters.count('displaced')
  reporter.report({ pu, peer, decision: rejected('overload'), role, key, flowID: id })
}

/** The key under which both ends file a connection: that of the packets from its client. */
export function clientKey(packet: TcpPacket, isFromClient: boolean): string {
  return isFromClient ? packet.flowKey() : packet.reverseFlowKey()
}

function endpoint(key: Buffer, at: number, who: Omit<FlowEndpoint, 'ip' | 'port'>): FlowEndpoint {
  return { ...who, ip: formatAddress(key.subarray(at, at + 16)), port: key.readUInt16BE(at + 16) }
}
