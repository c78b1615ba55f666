import {
  ackHeader,
  clientMAC,
  MAC_BYTES,
  macEquals,
  type OwnRecord,
  type PeerRecord,
  parseSynAck,
  type Suite,
  serverMAC,
  signedPart,
  transcriptHash,
} from '@trireme/core'
import { stripOverlay } from '../packet/edit.js'
import type { TcpPacket } from '../packet/tcp-packet.js'
import type { Arrival } from './arrival.js'
import { decideTransmitter, rejected } from './decisions.js'
import { type Answer, type ClientFlow, flowID } from './flow.js'
import { edited, type Path } from './path.js'
import { isSuccessor } from './sequence.js'
import { sourceOf } from './sources.js'
import type { FinishedHandshake } from './tables/finished-handshakes.js'
import { afterRefusal, plain, receivePlainSynAck, refuseSynAck, toldOfRefusal } from './unidentified.js'
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
  const known = flow.answer
  if (known && isSameAnswer(flow, { ...known, serverMAC: known.mac }, packet))
    return known.isn === packet.sequence ? edited(stripOverlay(packet, path.out), accept) : drop('state')
  const judged = judgeAnswer(path, flow, packet)
  if ('action' in judged) return badAnswer(path, flow, judged)
  // The server's kernel has a socket that ours knows nothing of: see `receiveAnswerAgain`.
  if (known && known.isn !== judged.answer.isn) return edited(stripOverlay(packet, path.out), accept)
  return admitSynAck(path, { ...judged, flow, arrival })
}

/**
 * The answer comes again to a client whose MAC_c has left. Another one under its ISN comes of a server whose enforcer has forgotten the
 * first. Under another ISN the server's kernel has a socket that ours, which took the first answer, knows nothing of: the challenge
 * with which ours replies ends one.
 */
export function receiveAnswerAgain(path: Path, known: FinishedHandshake, arrival: Arrival): Verdict {
  const { packet } = arrival
  if (!isSuccessor(packet.acknowledgement, known.isn)) return drop('state')
  known.sharesEntry ||= arrival.sharesEntry
  if (known.isRefused) return afterRefusal(path, known, packet)
  if (!packet.hasOverlayOption) return drop('state')
  if (isSameAnswer(known, known, packet))
    return known.answerISN === packet.sequence ? askAgain(path, known, packet) : drop('state')
  const judged = judgeAnswer(path, known, packet)
  if ('action' in judged) return judged
  if (known.answerISN !== judged.answer.isn) return edited(stripOverlay(packet, path.out), accept)
  return admitAnswerAgain(path, known, packet, judged)
}

/** Each socket of the server has an answer of its own: the same one under another ISN was not given by anybody. */
function isSameAnswer(
  { h1 }: Pick<FinishedHandshake, 'h1'>,
  { h2, serverMAC }: Pick<FinishedHandshake, 'h2' | 'serverMAC'>,
  packet: TcpPacket,
): boolean {
  const overlay = packet.payload()
  if (overlay.length < MAC_BYTES || !macEquals(serverMAC, overlay.subarray(overlay.length - MAC_BYTES)))
    return false
  return macEquals(h2, transcriptHash(h1, signedPart(overlay)))
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

/** An answer that shows nobody's identity is dropped; it is reported, since the connection waits in vain. */
function badAnswer(path: Path, { pu, key, id, stage }: ClientFlow, verdict: Verdict): Verdict {
  if (verdict.action === 'drop' && stage === 'syn-sent') {
    const decision = rejected(verdict.reason)
    path.reporter.report({ pu, decision, role: 'client', key, flowID: id })
  }
  return verdict
}

/** What of a client's handshake an answer is judged by. */
interface AskedFlow {
  readonly suite: Suite
  readonly own: OwnRecord
  readonly h1: Uint8Array
}

interface JudgedAnswer {
  readonly peer: PeerRecord
  readonly answer: Answer
}

/** The answer, if MAC_s shows that the peer gave it to this very SYN. */
function judgeAnswer(path: Path, flow: AskedFlow, packet: TcpPacket): JudgedAnswer | Verdict {
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
  path.answerers.complete(source, peer.claims.issuer, path.now())
  const mac = new Uint8Array(synAck.mac)
  return { peer, answer: { isn: packet.sequence, h2, mac, keys } }
}

interface IncomingSynAck extends JudgedAnswer {
  readonly flow: ClientFlow
  readonly arrival: Arrival
}

/** The first answer, or another one under its ISN. */
function admitSynAck(path: Path, incoming: IncomingSynAck): Verdict {
  const { flow, arrival, peer, answer } = incoming
  const { packet } = arrival
  const pu = path.pus.current(flow.pu)
  if (!pu) return drop('context')
  const decision = decideTransmitter(path, pu, peer.claims, packet.sourcePort)
  const isNews = flow.stage === 'syn-sent' || decision.verdict === 'reject'
  if (isNews) path.reporter.report({ pu, peer, decision, role: 'client', key: flow.key, flowID: flow.id })
  if (decision.verdict === 'reject') return refuseSynAck(path, packet, { flow, decision })
  flow.answer = answer
  flow.peer = peer
  flow.clientMAC = clientMAC(answer.keys, answer.h2, answer.mac, ackHeader(flow.suite))
  flow.stage = 'verified'
  return edited(stripOverlay(packet, path.out), accept)
}

function admitAnswerAgain(
  path: Path,
  known: FinishedHandshake,
  packet: TcpPacket,
  { peer, answer }: JudgedAnswer,
): Verdict {
  const pu = path.pus.current(known.pu)
  if (!pu) return drop('context')
  const decision = decideTransmitter(path, pu, peer.claims, packet.sourcePort)
  if (decision.verdict === 'reject') {
    const [key, id] = [packet.reverseFlowKey(), flowID(known.h1)]
    path.reporter.report({ pu, peer, decision, role: 'client', key, flowID: id })
    known.refuse()
    return toldOfRefusal(path, packet, { pu, decision })
  }
  const mac = clientMAC(answer.keys, answer.h2, answer.mac, ackHeader(known.suite))
  known.answerAnew(peer, answer.h2, answer.mac, mac)
  return askAgain(path, known, packet)
}

/** The kernel's own ACK of an answer to a released client carries MAC_c again, if the state sends it here. */
function askAgain(path: Path, known: FinishedHandshake, packet: TcpPacket): Verdict {
  return edited(stripOverlay(packet, path.out), known.sharesEntry ? accept : size => setState('sent', size))
}
