import {
  ackHeader,
  clientMAC,
  encodeAck,
  macEquals,
  type PeerRecord,
  parseSynAck,
  serverMAC,
  transcriptHash,
} from '@trireme/core'
import { stripOverlay } from '../packet/edit.js'
import type { Arrival } from './arrival.js'
import { decideTransmitter } from './decisions.js'
import type { Answer, ClientFlow } from './flow.js'
import { edited, type Path } from './path.js'
import { isSuccessor } from './sequence.js'
import { sourceOf } from './sources.js'
import { afterRefusal, plain, receivePlainSynAck, refuseSynAck } from './unidentified.js'
import { accept, drop, hold, setState, type Verdict } from './verdict.js'

/** A SYN with data, for Fast Open, leaves a socket that takes what acknowledges part of it: less than a segment's length. */
const MAX_SYN_DATA = 65_536

/** Step 4: the server's answer is about to enter the client. MAC_s covers all that was said; then the rules decide. */
export function receiveSynAck(path: Path, flow: ClientFlow, arrival: Arrival): Verdict {
  const { packet } = arrival
  if (!isSuccessor(packet.acknowledgement, flow.isn)) return receiveForeignAnswer(path, flow, arrival)
  flow.lastSeenMs = path.now()
  flow.sharesEntry ||= arrival.sharesEntry
  if (flow.stage === 'refused') return afterRefusal(path, flow, packet)
  if (!packet.hasOverlayOption) {
    return flow.stage === 'syn-sent' ? receivePlainSynAck(path, flow, arrival) : drop('state')
  }
  const overlay = packet.payload()
  // Each socket of the server has an answer of its own: the same one under another ISN was not given by anybody.
  if (flow.answer && macEquals(flow.answer.overlay, overlay))
    return flow.answer.isn === packet.sequence ? passAnswer(path, flow, arrival) : drop('state')
  const judged = judgeAnswer(path, flow, arrival)
  return 'action' in judged ? judged : admitSynAck(path, { ...judged, flow, arrival })
}

/**
 * A SYN-ACK to another SYN of the tuple. While our socket waits it sees the answer stripped, cannot take it, and resets the
 * half-open connection that an earlier socket left at the server (RFC 9293 §3.10.7.3): else that one would stand in the way for
 * a minute. What a socket might take for an answer to its SYN's data is dropped.
 */
function receiveForeignAnswer(path: Path, flow: ClientFlow, { packet }: Arrival): Verdict {
  const acknowledged = (packet.acknowledgement - flow.isn) >>> 0
  if (flow.stage !== 'syn-sent' || (acknowledged > 0 && acknowledged <= MAX_SYN_DATA)) return drop('state')
  return path.resets.take(flow.pu.contextID, path.now())
    ? edited(plain(path, packet), accept)
    : drop('mid-stream')
}

interface JudgedAnswer {
  readonly peer: PeerRecord
  readonly answer: Answer
}

/** The answer, if MAC_s shows that the peer gave it to this very SYN. */
function judgeAnswer(path: Path, flow: ClientFlow, { packet }: Arrival): JudgedAnswer | Verdict {
  const overlay = packet.payload()
  const handshake = path.handshakes.of(flow.suite)
  if (!handshake) return drop('mode')
  const synAck = parseSynAck(flow.suite, overlay)
  if (typeof synAck === 'string') return drop(synAck)
  const source = sourceOf(packet.flowKey())
  const mayAsk = (issuer: string | undefined) =>
    !handshake.verifiesSignatures || path.answerers.mayVerify({ source, issuer }, path.now())
  const peer = handshake.verifier.verify(synAck.record, mayAsk)
  if (peer instanceof Promise) return hold(peer)
  if (typeof peer === 'string') return drop(peer)
  const keys = handshake.keysAsClient(flow.own, peer)
  if (!keys) return drop('token')
  const h2 = transcriptHash(flow.h1, synAck.signed)
  if (!macEquals(serverMAC(keys, h2), synAck.mac)) return drop('mac')
  path.answerers.complete(source, path.now())
  const mac = new Uint8Array(synAck.mac)
  return { peer, answer: { isn: packet.sequence, overlay: new Uint8Array(overlay), h2, mac, keys } }
}

interface IncomingSynAck extends JudgedAnswer {
  readonly flow: ClientFlow
  readonly arrival: Arrival
}

/**
 * The first answer, or another one under its ISN, of a server whose enforcer has forgotten the first. Under another ISN the server's
 * kernel has a socket that ours, which took the first answer, knows nothing of: the challenge with which ours replies ends one.
 */
function admitSynAck(path: Path, incoming: IncomingSynAck): Verdict {
  const { flow, arrival, peer, answer } = incoming
  const { packet } = arrival
  if (flow.answer && flow.answer.isn !== answer.isn) return edited(stripOverlay(packet, path.out), accept)
  const pu = path.pus.current(flow.pu)
  if (!pu) return drop('context')
  const decision = decideTransmitter(path, pu, peer.claims, packet.sourcePort)
  const isNews = flow.stage === 'syn-sent' || decision.verdict === 'reject'
  if (isNews) path.reporter.report({ pu, peer, decision, role: 'client', key: flow.key, flowID: flow.id })
  if (decision.verdict === 'reject') return refuseSynAck(path, packet, { flow, decision })
  const header = ackHeader(flow.suite)
  flow.answer = answer
  flow.peer = peer
  flow.ackOverlay = encodeAck(header, clientMAC(answer.keys, answer.h2, answer.mac, header))
  if (flow.stage === 'syn-sent') flow.stage = 'verified'
  return passAnswer(path, flow, arrival)
}

/** The kernel's own ACK of an answer to a released client carries MAC_c again, if the state sends it here. */
function passAnswer(path: Path, flow: ClientFlow, { packet }: Arrival): Verdict {
  const mustAskAgain = flow.stage === 'released' && !flow.sharesEntry
  return edited(stripOverlay(packet, path.out), mustAskAgain ? size => setState('sent', size) : accept)
}
