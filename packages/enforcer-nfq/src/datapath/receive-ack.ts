import { type AckOverlay, clientMAC, macEquals, parseAck } from '@trireme/core'
import { stripOverlay } from '../packet/edit.js'
import type { TcpPacket } from '../packet/tcp-packet.js'
import type { Arrival } from './arrival.js'
import { decideReceiver, rejected } from './decisions.js'
import type { Answer, ServerFlow } from './flow.js'
import { edited, type Path } from './path.js'
import type { Decision } from './reporter.js'
import { isSuccessor } from './sequence.js'
import { sourceOf } from './sources.js'
import { peerFault } from './standing.js'
import { deny, plain } from './unidentified.js'
import { ACCEPT, accept, drop, hold, refuse, setState, type Verdict } from './verdict.js'

/** Step 6: MAC_c is about to enter the server: the connection is authorized, if the rules still say so. */
export function receiveAck(path: Path, arrival: Arrival): Verdict {
  const { packet } = arrival
  const authorized = path.servers.authorized(packet.tuple)
  if (!packet.hasOverlayOption) return authorized ? ACCEPT : drop('state')
  if (packet.isRst || !packet.hasAck) return drop('format')
  const overlay = packet.payload()
  const ack = parseAck(path.handshakes.answering(overlay).suite, overlay)
  if (typeof ack === 'string') return drop(ack)
  if (authorized && macEquals(authorized.clientMAC, ack.mac))
    return edited(stripOverlay(packet, path.out), accept)
  let isOfFormerSocket = false
  let refused: ServerFlow | undefined
  for (let flow = path.servers.find(packet.tuple); flow; flow = flow.older) {
    if (!isSuccessor(packet.sequence, flow.isn)) continue
    if (proves(flow.answer, packet, ack)) return authorize(path, flow, arrival, ack.mac)
    isOfFormerSocket ||= proves(flow.formerAnswer, packet, ack)
    refused = flow
  }
  // The peer took an answer whose socket is gone at our end: a reset tells it.
  if (isOfFormerSocket) return edited(plain(path, packet), refuse('state'))
  if (refused) reportBadMAC(path, refused)
  return drop('mac')
}

function reportBadMAC(path: Path, { pu, peer, key, id }: ServerFlow): void {
  path.reporter.report({ pu, peer, decision: rejected('mac'), role: 'server', key, flowID: id })
}

/** Whether the segment acknowledges this answer and MAC_c is over it. */
function proves(answer: Answer | undefined, packet: TcpPacket, ack: AckOverlay): boolean {
  if (!answer || !isSuccessor(packet.acknowledgement, answer.isn)) return false
  return macEquals(clientMAC(answer.keys, answer.h2, answer.mac, ack.header), ack.mac)
}

/** What strict binding would have refused is told as such where it passes. */
function decideStray({ isStray }: ServerFlow, decision: Decision): Decision {
  if (!isStray || decision.verdict === 'reject') return decision
  return { ...decision, reason: 'misdirected', observed: true }
}

function authorize(path: Path, flow: ServerFlow, arrival: Arrival, mac: Uint8Array): Verdict {
  const { packet } = arrival
  const pu = path.pus.current(flow.pu)
  if (!pu) return drop('context')
  const { peer, key, id } = flow
  const fault = peerFault(path, flow)
  if (fault instanceof Promise) return hold(fault)
  if (fault) {
    path.reporter.report({ pu, peer, decision: rejected(fault), role: 'server', key, flowID: id })
    return drop(fault)
  }
  const listener = path.sockets.listenerOfAck(pu, arrival)
  if (listener instanceof Promise) return hold(listener)
  const decision =
    listener === 'own'
      ? decideStray(flow, decideReceiver(pu, peer.claims, packet.destinationPort))
      : rejected(listener)
  path.reporter.report({ pu, peer, decision, role: 'server', key, flowID: id })
  // The policy, or who listens, changed since the SYN. The client’s kernel will answer the next SYN-ACK with a reset for the half-open socket.
  if (decision.verdict === 'reject') return deny(path, packet, { pu, decision })
  path.servers.authorize(flow, mac, path.now())
  path.sources.complete(sourceOf(key), peer.claims.issuer, path.now())
  const addedAtMs = path.now()
  path.live.add({ role: 'server', key, contextID: pu.contextID, peer: peer.claims, addedAtMs })
  return edited(stripOverlay(packet, path.out), size => setState('auth', size))
}
