import { ofFamily } from './address-groups.js'
import { networkMatches } from './address-sets.js'
import type { Direction } from './direction.js'
import type { Family } from './family.js'
import { type Rule, rule } from './rule.js'
import type { RuleInput } from './rules.js'

/** What is never trapped: by the direction of the connection too: or a PU could reach anybody from such a port. */
export function failsafeRules(
  { names, networks }: Pick<RuleInput, 'names' | 'networks'>,
  family: Family,
  direction: Direction,
): readonly Rule[] {
  const end = direction === 'in' ? 'source' : 'destination'
  return (networks.failsafe ?? []).flatMap(({ direction: opened, protocol, port, peers }) => {
    const [portOf, way] = opened === direction ? ['--dport', 'ORIGINAL'] : ['--sport', 'REPLY']
    return networkMatches(ofFamily(peers, family), end, names.prefix).map(
      match =>
        rule`${match} -p ${protocol} -m ${protocol} ${portOf} ${port} -m conntrack --ctdir ${way} -j RETURN`,
    )
  })
}
