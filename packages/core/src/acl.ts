import { parseCIDR } from './cidr.js'
import { NetworkTrie } from './network-trie.js'
import type { IPRule, Protocol, RuleAction } from './policy.js'
import { ruleError } from './rule-clause.js'

/** Compiled rules over addresses. Reject rules come before accept rules; within an action the first in the list wins. */
export interface ACL {
  /**
   * The deciding rule, undefined where none matches.
   * @param address 16 bytes, IPv4 in its mapped form.
   * @param port The destination port; without meaning for `icmp`.
   */
  match(address: Uint8Array, port: number, protocol: 'tcp' | 'udp' | 'icmp'): IPRule | undefined
}

const ACTIONS: readonly string[] = ['accept', 'reject'] satisfies RuleAction[]
const PROTOCOLS: readonly string[] = ['tcp', 'udp', 'icmp', 'any'] satisfies Protocol[]
const MAX_PORT = 65_535

/**
 * @throws TriremeError `ERR_POLICY`, naming the rule, for one without networks, a text that is no CIDR, an unknown action or
 * protocol, ports with a protocol that has none, or a range that is none.
 */
export function compileACL(rules: readonly IPRule[]): ACL {
  for (const rule of rules) checkRule(rule)
  const ordered = [
    ...rules.filter(rule => rule.action === 'reject'),
    ...rules.filter(rule => rule.action === 'accept'),
  ]
  const trie = new NetworkTrie()
  for (const [place, rule] of ordered.entries()) addNetworks(trie, rule, place)
  return {
    match(address, port, protocol) {
      const place = trie.lowest(address, candidate => covers(ordered[candidate]!, port, protocol))
      return place === undefined ? undefined : ordered[place]
    },
  }
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

function covers(rule: IPRule, port: number, protocol: Protocol): boolean {
  if (rule.protocol !== 'any' && rule.protocol !== protocol) return false
  if (rule.ports.length === 0) return true
  for (const { first, last } of rule.ports) if (first <= port && port <= last) return true
  return false
}

function checkRule(rule: IPRule): void {
  const { action, protocol, networks, ports } = rule
  if (!ACTIONS.includes(action)) {
    throw ruleError(rule, `action ${JSON.stringify(action)}: expected accept or reject`)
  }
  if (!PROTOCOLS.includes(protocol)) {
    throw ruleError(rule, `protocol ${JSON.stringify(protocol)}: expected tcp, udp, icmp or any`)
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
