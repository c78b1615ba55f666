import { ACL_TIERS, type ACLTier, type IPRule, type PortRange, type Protocol, tierOf } from '@trireme/core'
import { parseCIDR } from './cidr.js'
import type { Family } from './family.js'

/** The networks of one family for which rules over addresses say the same. */
export interface AddressGroup {
  readonly tier: ACLTier
  readonly protocol: Protocol
  /** Ascending and apart; empty means every port. */
  readonly ports: readonly PortRange[]
  /** Each once. */
  readonly networks: readonly string[]
}

/**
 * What decides over a packet, in order: the first group that holds it. Which rule it was, is not the kernel's to know, so rules
 * that differ in their networks alone become one group.
 */
export function groupsOf(rules: readonly IPRule[], family: Family): readonly AddressGroup[] {
  const groups = new Map<string, AddressGroup>()
  for (const rule of rules) {
    const head = { tier: tierOf(rule), protocol: rule.protocol, ports: merged(rule.ports) }
    const key = JSON.stringify(head)
    const known = groups.get(key)?.networks ?? []
    groups.set(key, { ...head, networks: [...known, ...ofFamily(rule.networks, family)] })
  }
  const all = [...groups.values()].map(group => ({ ...group, networks: distinct(group.networks) }))
  return ACL_TIERS.flatMap(tier => all.filter(group => group.tier === tier && group.networks.length > 0))
}

/** The CIDRs of one family, as iptables takes them. */
export function ofFamily(networks: readonly string[], family: Family): readonly string[] {
  return networks.flatMap(network => {
    const cidr = parseCIDR(network)
    return cidr?.family === family ? [cidr.text] : []
  })
}

/** Each network once; where one of them holds every address, that one alone. */
export function distinct(networks: readonly string[]): readonly string[] {
  const everything = networks.find(network => network.endsWith('/0'))
  return everything === undefined ? [...new Set(networks)] : [everything]
}

function merged(ports: readonly PortRange[]): readonly PortRange[] {
  const all: PortRange[] = []
  for (const range of [...ports].sort((a, b) => a.first - b.first)) {
    const last = all.at(-1)
    if (!last || range.first > last.last + 1) all.push(range)
    else all[all.length - 1] = { first: last.first, last: Math.max(last.last, range.last) }
  }
  return all
}
