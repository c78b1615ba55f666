import { ackHeader, encodeAck } from '@trireme/core'
import { attachOverlay } from '../packet/edit.js'
import type { TcpPacket } from '../packet/tcp-packet.js'
import { type ClientFlow, flowID } from './flow.js'
import { edited, type Path } from './path.js'
import { isAfter } from './sequence.js'
import { disown, peerFault } from './standing.js'
import type { FinishedHandshake } from './tables/finished-handshakes.js'
import { ACCEPT, accept, drop, hold, setState, type Verdict } from './verdict.js'

/**
 * Step 5: MAC_c leaves on a segment without data; data that wanted to leave first is resent by the kernel. From then on the
 * client's own data passes; see `sendAfterRelease`.
 */
export function sendAck(path: Path, flow: ClientFlow, packet: TcpPacket): Verdict {
  flow.lastSeenMs = path.now()
  if (packet.hasOverlayOption) return drop('format')
  const { stage, key, pu, peer, clientMAC, suite, sharesEntry } = flow
  if (stage !== 'verified' || !packet.hasAck || !clientMAC || !peer) return drop('state')
  const fault = peerFault(path, flow)
  if (fault instanceof Promise) return hold(fault)
  if (fault) {
    flow.stage = 'refused'
    return disown(path, flow, packet, fault)
  }
  path.live.add({ role: 'client', key, contextID: pu.contextID, peer: peer.claims, addedAtMs: path.now() })
  // What stood here leaves with its next resend, or the two would wait for each other for ever.
  flow.sentUpTo = packet.sequence
  path.clients.release(flow, path.now())
  return attach(path, packet, { clientMAC, suite, sharesEntry })
}

/** After MAC_c a client's data passes; a resend of it shows that MAC_c was lost, so MAC_c goes ahead again. */
export function sendAfterRelease(path: Path, known: FinishedHandshake, packet: TcpPacket): Verdict {
  if (packet.hasOverlayOption) return drop('format')
  if (known.isRefused || !packet.hasAck) return drop('state')
  const end = (packet.sequence + packet.payloadLength + Number(packet.hasFin)) >>> 0
  if (isAfter(end, known.sentUpTo)) {
    known.sentUpTo = end
    return ACCEPT
  }
  const fault = peerFault(path, known)
  if (fault instanceof Promise) return hold(fault)
  if (fault) {
    known.refuse()
    const { pu, peer, h1 } = known
    return disown(path, { pu, peer, key: packet.flowKey(), id: flowID(h1) }, packet, fault)
  }
  known.sentUpTo = packet.sequence
  return attach(path, packet, known)
}

function attach(
  path: Path,
  packet: TcpPacket,
  { suite, clientMAC, sharesEntry }: Pick<FinishedHandshake, 'suite' | 'clientMAC' | 'sharesEntry'>,
): Verdict {
  const overlay = encodeAck(ackHeader(suite), clientMAC)
  const length = attachOverlay(packet, overlay, path.out)
  return edited(length, sharesEntry ? accept : size => setState('sent', size))
}
