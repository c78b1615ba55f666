import { rewriteSynAckToLateReset } from '../packet/reset.js'
import type { Arrival } from './arrival.js'
import { contextIDOf, edited, type Path } from './path.js'
import { accept, drop, type Verdict } from './verdict.js'

/**
 * A SYN-ACK of a handshake that is forgotten, as after a restart. A client that still waits for it sends its SYN again, which makes
 * the handshake anew; one that took an earlier copy and has nothing to say would wait for ever. So the SYN-ACK becomes a reset that
 * the latter heeds and the former does not.
 */
export function resetTaker(path: Path, arrival: Arrival): Verdict {
  const { packet, state } = arrival
  if (state !== 'handshake' && state !== 'sent') return drop('state')
  if (!path.resets.take(contextIDOf(path, arrival), path.now())) return drop('mid-stream')
  return edited(rewriteSynAckToLateReset(packet, path.out), accept)
}
