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
import { flowID, MAX_ANSWERS } from './flow.js'
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
  const resent = path.flows
    .servers(key)
    .find(flow => flow.isn === packet.sequence && flow.h1.equals(sha256(packet.payload())))
  if (!resent) return admitSyn(path, { pu, arrival, suite, syn, peer, key, isStray })
  // Its connection exists: a late duplicate, or a replay that would have the kernel open another one.
  if (resent.stage === 'auth') return drop('replay')
  resent.lastSeenMs = path.now()
  resent.answersLeft = MAX_ANSWERS
  // The kernel's answer to it must be the answer to this overlay, not to another that came meanwhile.
  path.flows.rejuvenate(resent)
  return edited(stripOverlay(packet, path.out), accept)
}

interface IncomingSyn {
  readonly pu: PUContext
  readonly arrival: Arrival
  readonly suite: Suite
  readonly syn: SynOverlay
  readonly peer: PeerRecord
  readonly key: string
  /** Dialled to somebody else. */
  readonly isStray: boolean
}

function admitSyn(path: Path, incoming: IncomingSyn): Verdict {
  const { pu, arrival, suite, syn, peer, key } = incoming
  const { packet } = arrival
  if (path.replays.isReplay(peer.hash, syn.nonce, { key, isn: packet.sequence }))
    return badSyn(path, pu, packet, 'replay')
  const isOurs = path.handshakes.isOwn(peer.hash)
  if (isOurs && !isLocal(path, packet, syn)) return badSyn(path, pu, packet, 'misdirected')
  const isOfThisNode = peer.claims.issuer === path.handshakes.serverID
  const isStray = incoming.isStray || (path.bind !== 'off' && isForeignLoopback(syn, arrival, isOfThisNode))
  if (isStray && path.bind === 'strict') return badSyn(path, pu, packet, 'misdirected')
  const decision = decideReceiver(pu, peer.claims, packet.destinationPort)
  const h1 = sha256(packet.payload())
  const id = flowID(h1)
  if (decision.verdict === 'reject') {
    path.reporter.report({ pu, peer, decision, role: 'server', key, flowID: id })
    return isDemotion(arrival) ? drop('policy') : deny(path, packet, { pu, decision })
  }
  path.flows.addServer({
    pu,
    key,
    id,
    isn: packet.sequence,
    suite,
    h1,
    peer,
    stage: 'syn-received',
    answer: undefined,
    formerAnswer: undefined,
    answersLeft: MAX_ANSWERS,
    ackOverlay: undefined,
    isStray,
    lastSeenMs: path.now(),
  })
  return edited(stripOverlay(packet, path.out), accept)
}

/** A SYN with a bad overlay is dropped in every mode and never answered; it is reported, since nobody else would notice. */
function badSyn(path: Path, pu: PUContext, packet: TcpPacket, reason: DropReason): Verdict {
  path.reporter.report({ pu, decision: rejected(reason), role: 'server', key: packet.flowKey() })
  return drop(reason)
}
