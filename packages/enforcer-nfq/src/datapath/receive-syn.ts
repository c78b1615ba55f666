import {
  type DropReason,
  type PeerRecord,
  parseSyn,
  type Suite,
  type SynOverlay,
  sha256,
} from '@trireme/core'
import { stripOverlay } from '../packet/edit.js'
import type { TcpPacket } from '../packet/tcp-packet.js'
import type { Arrival } from './arrival.js'
import { decideReceiver, rejected } from './decisions.js'
import { isDemotion } from './demotion.js'
import { isForeignLoopback, isLocal, isMisdirected } from './dialled.js'
import { flowID, MAX_ANSWERS, type ServerFlow } from './flow.js'
import { edited, type Path } from './path.js'
import type { PUContext } from './pu-context.js'
import { sourceOf } from './sources.js'
import { deny, receivePlainSyn } from './unidentified.js'
import { accept, drop, hold, type Verdict } from './verdict.js'

/** Step 2: a SYN is about to enter a PU. What is accepted is not the connection yet: only MAC_c makes it one. */
export function receiveSyn(path: Path, pu: PUContext, arrival: Arrival): Verdict {
  const { packet } = arrival
  if (!packet.hasOverlayOption) return receivePlainSyn(path, pu, arrival)
  const handshake = path.handshakes.answering(packet.payload())
  const { suite, verifier } = handshake
  const syn = parseSyn(suite, packet.payload())
  if (typeof syn === 'string') return badSyn(path, pu, packet, syn)
  const isStray = path.bind !== 'off' && isMisdirected(path, pu, packet, syn)
  if (isStray && path.bind === 'strict') return badSyn(path, pu, packet, 'misdirected')
  const key = packet.flowKey()
  const source = sourceOf(key)
  const mayAsk = (issuer: string | undefined) =>
    !handshake.verifiesSignatures || path.sources.mayVerify({ source, issuer }, path.now())
  const peer = verifier.verify(syn.record, mayAsk)
  if (peer instanceof Promise) return hold(peer)
  if (typeof peer === 'string') return badSyn(path, pu, packet, peer)
  const h1 = sha256(packet.payload())
  // Its connection exists: a late duplicate, or a replay that would have the kernel open another one.
  const authorized = path.servers.authorized(packet.tuple)
  if (authorized?.isn === packet.sequence && h1.equals(authorized.h1)) return drop('replay')
  const resent = findResent(path, packet, h1)
  if (!resent) return admitSyn(path, { pu, arrival, suite, syn, peer, key, h1, isStray })
  const listener = path.sockets.listenerOfSyn(pu, arrival)
  if (listener instanceof Promise) return hold(listener)
  if (listener !== 'own') return withoutListener(path, { pu, arrival, peer, key, h1 }, listener)
  resent.lastSeenMs = path.now()
  resent.answersLeft = MAX_ANSWERS
  // The kernel's answer to it must be the answer to this overlay, not to another that came meanwhile.
  path.servers.rejuvenate(resent)
  return edited(stripOverlay(packet, path.out), accept)
}

/** The handshake under way of which this SYN is the very same. */
function findResent(path: Path, packet: TcpPacket, h1: Buffer): ServerFlow | undefined {
  let flow = path.servers.find(packet.tuple)
  while (flow && !(flow.isn === packet.sequence && flow.h1.equals(h1))) flow = flow.older
  return flow
}

interface IncomingSyn {
  readonly pu: PUContext
  readonly arrival: Arrival
  readonly suite: Suite
  readonly syn: SynOverlay
  readonly peer: PeerRecord
  readonly key: string
  /** Of its overlay. */
  readonly h1: Buffer
  /** Dialled to somebody else. */
  readonly isStray: boolean
}

function admitSyn(path: Path, incoming: IncomingSyn): Verdict {
  const { pu, arrival, suite, syn, peer, key, h1 } = incoming
  const { packet } = arrival
  const isProven = path.sources.isProven(sourceOf(key), peer.claims.issuer, path.now())
  if (!isProven && !path.sources.mayBegin(peer, path.now())) return crowdedOut(path, incoming)
  if (path.replays.isReplay(peer.hash, syn.nonce, { key, isn: packet.sequence }))
    return badSyn(path, pu, packet, 'replay')
  const isOurs = path.handshakes.isOwn(peer.hash)
  if (isOurs && !isLocal(path, packet, syn)) return badSyn(path, pu, packet, 'misdirected')
  const isOfThisNode = peer.claims.issuer === path.handshakes.serverID
  const isStray = incoming.isStray || (path.bind !== 'off' && isForeignLoopback(syn, arrival, isOfThisNode))
  if (isStray && path.bind === 'strict') return badSyn(path, pu, packet, 'misdirected')
  const decision = decideReceiver(pu, peer.claims, packet.destinationPort)
  const id = flowID(h1)
  if (decision.verdict === 'reject') {
    path.reporter.report({ pu, peer, decision, role: 'server', key, flowID: id })
    return isDemotion(arrival) ? drop('policy') : deny(path, packet, { pu, decision })
  }
  const listener = path.sockets.listenerOfSyn(pu, arrival)
  if (listener instanceof Promise) return hold(listener)
  if (listener !== 'own') return withoutListener(path, incoming, listener)
  const flow: ServerFlow = {
    pu,
    key,
    id,
    isn: packet.sequence,
    suite,
    h1,
    peer,
    isProven,
    answer: undefined,
    formerAnswer: undefined,
    answersLeft: MAX_ANSWERS,
    isStray,
    lastSeenMs: path.now(),
    older: undefined,
    places: [],
  }
  if (!path.servers.add(flow, path.now())) return crowdedOut(path, incoming)
  return edited(stripOverlay(packet, path.out), accept)
}

/** Its peer has more handshakes under way than it may: its kernel sends the SYN again. */
function crowdedOut(path: Path, { pu, peer, key, h1 }: IncomingSyn): Verdict {
  const decision = rejected('overload')
  path.reporter.report({ pu, peer, decision, role: 'server', key, flowID: flowID(h1) })
  return drop('overload')
}

/**
 * The PU's identity is not for whoever has bound its port. In every mode: the client's rules decide over the PU, and not over a
 * stranger. Where nobody listens the kernel's own answer says so.
 */
function withoutListener(
  path: Path,
  { pu, arrival, peer, key, h1 }: Pick<IncomingSyn, 'pu' | 'arrival' | 'peer' | 'key' | 'h1'>,
  listener: 'foreign-listener' | 'no-listener',
): Verdict {
  const decision = rejected(listener)
  path.reporter.report({ pu, peer, decision, role: 'server', key, flowID: flowID(h1) })
  if (isDemotion(arrival)) return drop(listener)
  if (listener === 'no-listener') return edited(stripOverlay(arrival.packet, path.out), accept)
  return deny(path, arrival.packet, { pu, decision })
}

/** A SYN with a bad overlay is dropped in every mode and never answered; it is reported, since nobody else would notice. */
function badSyn(path: Path, pu: PUContext, packet: TcpPacket, reason: DropReason): Verdict {
  path.reporter.report({ pu, decision: rejected(reason), role: 'server', key: packet.flowKey() })
  return drop(reason)
}
