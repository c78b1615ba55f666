import { attachOverlay } from '../packet/edit.js'
import type { TcpPacket } from '../packet/tcp-packet.js'
import type { ClientFlow } from './flow.js'
import { edited, type Path } from './path.js'
import { isAfter } from './sequence.js'
import { disown, peerFault } from './standing.js'
import { ACCEPT, accept, drop, hold, setState, type Verdict } from './verdict.js'

/**
 * Step 5: MAC_c leaves on a segment without data; data that wanted to leave first is resent by the kernel. From then on the
 * client's own data passes; a resend of it shows that MAC_c was lost, so MAC_c goes ahead again.
 */
export function sendAck(path: Path, flow: ClientFlow, packet: TcpPacket): Verdict {
  flow.lastSeenMs = path.now()
  if (packet.hasOverlayOption) return drop('format')
  const isVerified = flow.stage === 'verified' || flow.stage === 'released'
  if (!isVerified || !packet.hasAck || !flow.ackOverlay) return drop('state')
  const end = (packet.sequence + packet.payloadLength + Number(packet.hasFin)) >>> 0
  const isProgress = flow.stage === 'released' && isAfter(end, flow.sentUpTo)
  if (isProgress) {
    flow.sentUpTo = end
    return ACCEPT
  }
  const fault = peerFault(path, flow)
  if (fault instanceof Promise) return hold(fault)
  if (fault) return disown(path, flow, packet, fault)
  if (flow.stage === 'verified' && flow.peer) {
    const { key, pu, peer } = flow
    path.live.add({ role: 'client', key, contextID: pu.contextID, peer: peer.claims, addedAtMs: path.now() })
  }
  flow.stage = 'released'
  // What stood here leaves with its next resend, or the two would wait for each other for ever.
  flow.sentUpTo = packet.sequence
  return edited(
    attachOverlay(packet, flow.ackOverlay, path.out),
    flow.sharesEntry ? accept : size => setState('sent', size),
  )
}
