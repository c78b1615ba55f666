import { rewriteSynAckToLateReset } from '../packet/reset.js'
import type { Arrival } from './arrival.js'
import { rejected } from './decisions.js'
import { contextIDOf, edited, ownerOf, type Path } from './path.js'
import { clientKey, type FlowReport } from './reporter.js'
import { accept, drop, type Verdict } from './verdict.js'

/**
 * A SYN-ACK of a handshake that is forgotten, as after a restart. A client that still waits for it sends its SYN again, which makes
 * the handshake anew; one that took an earlier copy and has nothing to say would wait for ever. So the SYN-ACK becomes a reset that
 * the latter heeds and the former does not.
 */
export function resetTaker(path: Path, arrival: Arrival): Verdict {
  const { packet, state } = arrival
  if (state !== 'handshake' && state !== 'sent') return drop('state')
  reportLost(path, arrival, arrival.side === 'app' ? 'server' : 'client')
  if (!path.resets.take(contextIDOf(path, arrival), path.now())) return drop('mid-stream')
  return edited(rewriteSynAckToLateReset(packet, path.out), accept)
}

/** A handshake of the PU that is forgotten ends here, or never: this end has failed it. */
export function reportLost(path: Path, arrival: Arrival, role: FlowReport['role']): void {
  const { packet, side } = arrival
  const pu = ownerOf(path, arrival)
  const key = clientKey(packet, (role === 'client') === (side === 'app'))
  if (pu) path.reporter.report({ pu, decision: rejected('mid-stream'), role, key })
}
