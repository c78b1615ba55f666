import type { Arrival } from './arrival.js'

/** Whether the connection's entry was decided for an earlier connection of the same tuple. */
export function isDemotion(arrival: Arrival): boolean {
  return arrival.state !== 'none' && arrival.state !== 'handshake'
}
