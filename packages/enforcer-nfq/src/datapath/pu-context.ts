import { type ACL, compileACL, compileRules, type PUInfo, type PUPolicy, type RuleSet } from '@trireme/core'
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
  }

  /** The tags that flow records show: the annotations, or the identity where there are none. */
  get recordTags() {
    return this.policy.annotations.length > 0 ? this.policy.annotations : this.policy.identity
  }

  acceptsOnPort(port: number): boolean {
    if (this.pu.runtime.isolation.by === 'netns') return true
    return this.pu.runtime.ports.some(range => port >= range.first && port <= range.last)
  }

  /** Whether peers may dial the PU under this address and port although packets arrive under another. */
  hasAlias(address: string, port: number): boolean {
    const aliases = this.pu.runtime.aliases ?? []
    const withPort = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
    return aliases.includes(address) || aliases.includes(withPort)
  }
}
