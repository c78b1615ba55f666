import { ACK_OVERLAY_BYTES } from '@trireme/core'
import type { Arrival } from './arrival.js'
import { decideAgain } from './decide-again.js'
import { reportLost, resetTaker } from './lost-handshake.js'
import { contextIDOf, edited, type Path } from './path.js'
import { receiveAck } from './receive-ack.js'
import { receiveSyn } from './receive-syn.js'
import { receiveAnswerAgain, receiveSynAck } from './receive-syn-ack.js'
import { sendAck, sendAfterRelease } from './send-ack.js'
import { sendSyn } from './send-syn.js'
import { sendSynAck } from './send-syn-ack.js'
import { plain } from './unidentified.js'
import { ACCEPT, accept, drop, refuse, type Verdict } from './verdict.js'

/**
 * Decides on one packet that the kernel's rules did not decide on. Pure but for the path's tables: no I/O, no timers.
 * A SYN finds its PU, a later packet its flow.
 */
export function decide(path: Path, arrival: Arrival): Verdict {
  const { packet } = arrival
  if (packet.isSyn) return arrival.side === 'app' ? appSyn(path, arrival) : netSyn(path, arrival)
  if (packet.isSynAck) return arrival.side === 'app' ? sendSynAck(path, arrival) : netSynAck(path, arrival)
  // SYN with RST or FIN is no TCP that a kernel would send.
  if (packet.hasSyn) return drop('format')
  if (isOfOtherEpoch(arrival)) return decideAgain(path, arrival)
  return arrival.side === 'app' ? appSegment(path, arrival) : netSegment(path, arrival)
}

/** A late overlay finds its own way in every epoch: it brings nothing to an application. */
function isOfOtherEpoch({ packet, state, isCurrentEpoch }: Arrival): boolean {
  return (
    !isCurrentEpoch && (state === 'auth' || state === 'acl' || state === 'sent') && !packet.hasOverlayOption
  )
}

function appSyn(path: Path, arrival: Arrival): Verdict {
  if (arrival.packet.hasOverlayOption) return drop('format')
  return arrival.pu ? sendSyn(path, arrival.pu, arrival.packet) : drop('context')
}

function netSyn(path: Path, arrival: Arrival): Verdict {
  const { packet } = arrival
  // A simultaneous open would be decided by the rules of the other direction.
  const reverse = packet.reverseTuple
  if (path.clients.find(reverse) || path.clients.released(reverse)) return drop('state')
  const pu = arrival.pu ?? path.pus.byEnd(packet.destination, packet.destinationPort)
  if (pu) return receiveSyn(path, pu, arrival)
  // A PU of this host dials a server beside the PUs: the server gets a plain SYN, and step 4 judges its answer.
  const client = path.clients.find(packet.tuple)
  if (client?.isn !== packet.sequence) return drop('context')
  client.isBesideThePUs = true
  return edited(plain(path, packet), accept)
}

function netSynAck(path: Path, arrival: Arrival): Verdict {
  const { packet, state } = arrival
  const flow = path.clients.find(packet.reverseTuple)
  if (flow) return receiveSynAck(path, flow, arrival)
  const released = path.clients.released(packet.reverseTuple)
  if (released) return receiveAnswerAgain(path, released, arrival)
  if (state === 'acl' && !packet.hasOverlayOption) return edited(plain(path, packet), accept)
  return resetTaker(path, arrival)
}

function appSegment(path: Path, arrival: Arrival): Verdict {
  const { packet } = arrival
  const isReset = packet.isRst && !packet.hasOverlayOption
  const client = path.clients.find(packet.tuple)
  if (client) return isReset ? ACCEPT : sendAck(path, client, packet)
  const released = path.clients.released(packet.tuple)
  if (released) return isReset ? ACCEPT : sendAfterRelease(path, released, packet)
  const isAuthorized = path.servers.authorized(packet.reverseTuple) !== undefined
  if (!isAuthorized && !path.servers.find(packet.reverseTuple)) return forgotten(path, arrival)
  if (packet.isRst || isAuthorized) return packet.hasOverlayOption ? drop('format') : ACCEPT
  // Before AUTH a server lets nothing leave but SYN-ACK and RST.
  return drop('state')
}

function netSegment(path: Path, arrival: Arrival): Verdict {
  const { packet } = arrival
  if (path.servers.find(packet.tuple) || path.servers.authorized(packet.tuple))
    return packet.isRst && !packet.hasOverlayOption ? ACCEPT : receiveAck(path, arrival)
  const client = path.clients.find(packet.reverseTuple)
  const released = path.clients.released(packet.reverseTuple)
  if (!client && !released) return forgotten(path, arrival)
  if (packet.hasOverlayOption) return drop('state')
  if (packet.isRst) return ACCEPT
  // Before MAC_s a client admits a bare ACK: the challenge of an old socket, which its own reset clears (RFC 9293 §3.10.7.3).
  if (client?.stage === 'syn-sent') return packet.isBareAck ? ACCEPT : drop('state')
  return released && !released.isRefused ? ACCEPT : drop('state')
}

/** A segment of a flow that is not known: an ended handshake's late packet, or one from before a restart. */
function forgotten(path: Path, arrival: Arrival): Verdict {
  const { packet, state } = arrival
  if (packet.isRst) return packet.hasOverlayOption ? drop('state') : ACCEPT
  if (state === 'auth' || state === 'acl') return decidedWithoutFlow(path, arrival)
  // A released client that was silent for longer than its entry lives: only the server's first word ends this state. Where both
  // ends share the entry, there is no such state, and the packet might be the server's.
  const isReleased = state === 'sent' && arrival.side === 'app' && !arrival.sharesEntry
  if (isReleased && !packet.hasOverlayOption) return ACCEPT
  // Of a handshake nothing but a client's ACK comes here.
  if (state !== 'none') reportLost(path, arrival, arrival.side === 'app' ? 'client' : 'server')
  if (!path.resets.take(contextIDOf(path, arrival), path.now())) return drop('mid-stream')
  return edited(plain(path, packet), refuse('mid-stream'))
}

/** The kernel knows the connection as decided: an overlay is a late duplicate and goes, anything else has no business here. */
function decidedWithoutFlow(path: Path, arrival: Arrival): Verdict {
  const { packet } = arrival
  if (!packet.hasOverlayOption) return ACCEPT
  const isDuplicate = arrival.side === 'net' && packet.hasAck && packet.payloadLength === ACK_OVERLAY_BYTES
  return isDuplicate ? edited(plain(path, packet), accept) : drop('state')
}
