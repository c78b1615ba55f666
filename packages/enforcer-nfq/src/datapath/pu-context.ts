import {
  type ACL,
  compileACL,
  compileRules,
  formatAddress,
  type Isolation,
  type PUInfo,
  type PUPolicy,
  parseAddress,
  type RuleSet,
} from '@trireme/core'
import { Counters } from './counters.js'

/** A PU as the data path sees it: its policy compiled, its counters running. */
export class PUContext {
  readonly contextID: string
  /** The PU's name in records and flow reports. */
  readonly id: string
  readonly pu: PUInfo
  readonly policy: PUPolicy
  readonly receiverRules: RuleSet
  readonly transmitterRules: RuleSet
  readonly applicationACL: ACL
  readonly networkACL: ACL
  readonly counters: Counters
  readonly #ownAddresses: ReadonlySet<string> | undefined

  /** @throws TriremeError where a rule cannot be compiled. */
  constructor(pu: PUInfo, counters: Counters = new Counters()) {
    const { contextID, policy } = pu
    this.contextID = contextID
    this.id = policy.managementID || contextID
    this.pu = pu
    this.policy = policy
    this.receiverRules = compileRules(policy.receiverRules)
    this.transmitterRules = compileRules(policy.transmitterRules)
    this.applicationACL = compileACL(policy.applicationACLs)
    this.networkACL = compileACL(policy.networkACLs)
    this.counters = counters
    this.#ownAddresses = ownAddressesOf(pu.runtime.isolation)
  }

  /** The tags that flow records show: the annotations, or the identity where there are none. */
  get recordTags() {
    return this.policy.annotations.length > 0 ? this.policy.annotations : this.policy.identity
  }

  /** The addresses that are the PU's alone, each as the text of its 16 bytes; undefined for a PU that has none of its own. */
  get ownAddresses(): ReadonlySet<string> | undefined {
    return this.#ownAddresses
  }

  /** Whether it has a network of its own, where the host's addresses are not its. */
  get isApart(): boolean {
    const { by } = this.pu.runtime.isolation
    return by === 'netns' || by === 'interfaces'
  }

  /** Whether connections to the address, of 16 bytes, and port are the PU's. */
  accepts(address: Uint8Array, port: number): boolean {
    if (this.#ownAddresses) return this.#ownAddresses.has(textOf(address))
    if (this.pu.runtime.isolation.by === 'netns') return true
    return this.pu.runtime.ports.some(range => port >= range.first && port <= range.last)
  }

  /** Whether connections from the address, of 16 bytes, may be the PU's. */
  maySendFrom(address: Uint8Array): boolean {
    return this.#ownAddresses?.has(textOf(address)) ?? true
  }

  /** Whether peers may dial the PU under this address and port although packets arrive under another. */
  hasAlias(address: Uint8Array, port: number): boolean {
    const { aliases = [] } = this.pu.runtime
    if (aliases.length === 0) return false
    const text = formatAddress(address)
    return aliases.includes(text) || aliases.includes(withPort(text, port))
  }

  /** Whether peers may dial the PU under this port of the host, whichever of the host's addresses of that family this is. */
  isAtAnyAddressOfHost(address: Uint8Array, port: number): boolean {
    const { aliases = [] } = this.pu.runtime
    if (aliases.length === 0) return false
    return aliases.includes(withPort(formatAddress(address).includes(':') ? '::' : '0.0.0.0', port))
  }
}

function withPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** An address as a key of maps and sets. */
export function textOf(address: Uint8Array): string {
  return Buffer.from(address.buffer, address.byteOffset, address.length).toString('latin1')
}

function ownAddressesOf(isolation: Isolation): ReadonlySet<string> | undefined {
  if (isolation.by !== 'interfaces') return undefined
  return new Set(
    isolation.interfaces.flatMap(({ addresses }) => addresses.map(each => textOf(parseAddress(each)))),
  )
}
