import { parseCIDR } from './cidr.js'
import { NetworkTrie } from './network-trie.js'
import type { IPRule, Protocol, RuleAction } from './policy.js'
import { ruleError } from './rule-clause.js'

/** What a rule over addresses is asked about; `other`: neither TCP nor UDP nor ICMP of either family. */
export type PacketProtocol = 'tcp' | 'udp' | 'icmp' | 'other'

/**
 * Compiled rules over addresses: those that reject come before those that accept, and these before those that reject in mode
 * `observe`. Among equals the longest prefix that contains the address wins, and then the first in the list.
 */
export interface ACL {
  /**
   * The deciding rule, undefined where none matches.
   * @param address 16 bytes, IPv4 in its mapped form.
   * @param port The destination port; without meaning where the protocol has none.
   */
  match(address: Uint8Array, port: number, protocol: PacketProtocol): IPRule | undefined
  /** The first rule that rejects in mode `observe`, whatever else matches. */
  matchObserved(address: Uint8Array, port: number, protocol: PacketProtocol): IPRule | undefined
}

/** The order in which rules over addresses are looked at. */
export const ACL_TIERS: readonly ACLTier[] = ['reject', 'accept', 'observe']

export type ACLTier = 'reject' | 'accept' | 'observe'

export function tierOf({ action, mode }: IPRule): ACLTier {
  return action === 'reject' && mode === 'observe' ? 'observe' : action
}

const ACTIONS: readonly string[] = ['accept', 'reject'] satisfies RuleAction[]
const PROTOCOLS: readonly string[] = ['tcp', 'udp', 'icmp', 'any'] satisfies Protocol[]
const MAX_PORT = 65_535

/**
 * @throws TriremeError `ERR_POLICY`, naming the rule, for one without networks, a text that is no CIDR, an unknown action, mode
 * or protocol, mode `observe` for a rule that accepts, ports with a protocol that has none, or a range that is none.
 */
export function compileACL(rules: readonly IPRule[]): ACL {
  for (const rule of rules) checkRule(rule)
  const tries = ACL_TIERS.map(tier => {
    const trie = new NetworkTrie()
    for (const [place, rule] of rules.entries()) if (tierOf(rule) === tier) addNetworks(trie, rule, place)
    return trie
  })
  const first = (among: readonly NetworkTrie[]): ACL['match'] => {
    return (address, port, protocol) => {
      for (const trie of among) {
        const place = trie.longest(address, candidate => covers(rules[candidate]!, port, protocol))
        if (place !== undefined) return rules[place]
      }
      return undefined
    }
  }
  return { match: first(tries), matchObserved: first([tries[ACL_TIERS.indexOf('observe')]!]) }
}

function addNetworks(trie: NetworkTrie, rule: IPRule, place: number): void {
  for (const network of rule.networks) {
    try {
      trie.add(parseCIDR(network), place)
    } catch (error) {
      throw ruleError(rule, error instanceof Error ? error.message : String(error), error)
    }
  }
}

function covers(rule: IPRule, port: number, protocol: PacketProtocol): boolean {
  if (rule.protocol !== 'any' && rule.protocol !== protocol) return false
  if (rule.ports.length === 0) return true
  for (const { first, last } of rule.ports) if (first <= port && port <= last) return true
  return false
}

function checkRule(rule: IPRule): void {
  const { action, protocol, networks, ports, mode = 'enforce' } = rule
  if (!ACTIONS.includes(action)) {
    throw ruleError(rule, `action ${JSON.stringify(action)}: expected accept or reject`)
  }
  if (!PROTOCOLS.includes(protocol)) {
    throw ruleError(rule, `protocol ${JSON.stringify(protocol)}: expected tcp, udp, icmp or any`)
  }
  if (mode !== 'enforce' && !(mode === 'observe' && action === 'reject')) {
    throw ruleError(
      rule,
      `mode ${JSON.stringify(mode)}: expected enforce, or observe for a rule that rejects`,
    )
  }
  if (networks.length === 0) throw ruleError(rule, 'no networks: expected at least one CIDR')
  if (ports.length > 0 && protocol !== 'tcp' && protocol !== 'udp') {
    throw ruleError(rule, `ports with protocol ${protocol}: expected none, or protocol tcp or udp`)
  }
  for (const { first, last } of ports) {
    if (!isPort(first) || !isPort(last) || first > last) {
      throw ruleError(rule, `ports ${first}-${last}: expected a range within 0-${MAX_PORT}`)
    }
  }
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= MAX_PORT
}
