import type { SynOverlay } from '@trireme/core'
import type { TcpPacket } from '../packet/tcp-packet.js'
import type { Arrival } from './arrival.js'
import { isLoopbackAddress } from './local-addresses.js'
import type { Path } from './path.js'
import type { PUContext } from './pu-context.js'

/**
 * Whether the client dialled somebody else: the address in the overlay is neither the packet's destination, nor an alias of the PU,
 * nor one of this host's under the same port or one that the PU has on all of them. Such a SYN was relayed or reflected. The host's addresses are not those of a PU that
 * has a network of its own; a loopback may have been translated: see `isForeignLoopback`.
 */
export function isMisdirected(path: Path, pu: PUContext, packet: TcpPacket, syn: SynOverlay): boolean {
  const isSamePort = syn.dialledPort === packet.destinationPort
  if (isSamePort && Buffer.compare(syn.dialledAddress, packet.destination) === 0) return false
  if (pu.hasAlias(syn.dialledAddress, syn.dialledPort)) return false
  const isPublished = pu.isAtAnyAddressOfHost(syn.dialledAddress, syn.dialledPort)
  if (isPublished && path.addresses.has(syn.dialledAddress)) return false
  const isHosts = pu.isApart ? isLoopbackAddress : (address: Uint8Array) => path.addresses.has(address)
  return !(isSamePort && isHosts(syn.dialledAddress))
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
