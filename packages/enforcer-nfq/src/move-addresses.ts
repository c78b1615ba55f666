import type { FlowMemory } from './flow-memory.js'
import type { NamespaceDatapath } from './namespace-datapath.js'

export const NO_ADDRESSES: ReadonlySet<string> = new Set()

export interface AddressMove {
  readonly memory: FlowMemory
  readonly datapath: NamespaceDatapath
  /** How the journal calls the network namespace. */
  readonly namespace: string
  readonly contextID: string
  /** What the PU has for itself from now on, each the text of 16 bytes. */
  readonly ownAddresses: ReadonlySet<string>
}

/**
 * Forgets the connections of addresses that a PU gets or loses: whoever gets an address has none of those that its last owner had
 * there, also in the time of an earlier process. Throws `KernelError`.
 */
export function moveAddresses({ memory, datapath, namespace, contextID, ownAddresses }: AddressMove): void {
  const known = memory.addresses(contextID) ?? NO_ADDRESSES
  const isOthers = (address: string) => {
    const owner = datapath.ownerOf(address)
    return owner !== undefined && owner.contextID !== contextID
  }
  const lost = [...known].filter(address => !ownAddresses.has(address) && !isOthers(address))
  const moved = new Set([...lost, ...[...ownAddresses].filter(address => !known.has(address))])
  if (moved.size === 0) return
  datapath.forgetAddresses(moved)
  memory.noteForgotten(namespace, moved)
}
