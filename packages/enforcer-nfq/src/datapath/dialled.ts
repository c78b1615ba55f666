import type { SynOverlay } from '@trireme/core'
import { formatAddress } from '@trireme/core'
import type { TcpPacket } from '../packet/tcp-packet.js'
import type { Arrival } from './arrival.js'
import { isLoopbackAddress } from './local-addresses.js'
import type { Path } from './path.js'
import type { PUContext } from './pu-context.js'

/**
 * Whether the client dialled somebody else: the address in the overlay is neither the packet's destination, nor one of this
 * host's under the same port, nor an alias of the PU. Such a SYN was relayed or reflected.
 */
export function isMisdirected(path: Path, pu: PUContext, packet: TcpPacket, syn: SynOverlay): boolean {
  const isSamePort = syn.dialledPort === packet.destinationPort
  if (isSamePort && Buffer.compare(syn.dialledAddress, packet.destination) === 0) return false
  if (pu.hasAlias(formatAddress(syn.dialledAddress), syn.dialledPort)) return false
  return !(isSamePort && path.addresses.has(syn.dialledAddress))
}

/**
 * Whether the client dialled the loopback of another host: every host has the same addresses there, so that only a record of this
 * node can have meant ours where the packet did not come over it (a published port that is dialled under 127.0.0.1).
 */
export function isForeignLoopback(syn: SynOverlay, arrival: Arrival, isOfThisNode: boolean): boolean {
  return !arrival.isLoopback && !isOfThisNode && isLoopbackAddress(syn.dialledAddress)
}

/** Whether the dialled address is of the namespace in which the packet arrived. */
export function isLocal(path: Path, packet: TcpPacket, syn: SynOverlay): boolean {
  return (
    Buffer.compare(syn.dialledAddress, packet.destination) === 0 || path.addresses.has(syn.dialledAddress)
  )
}
