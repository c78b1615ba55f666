import type { Direction } from './direction.js'
import type { Family } from './family.js'
import { type Rule, rule } from './rule.js'
import type { RuleInput } from './rules.js'

/** Docker's resolver. The engine answers there from outside of the container, by ports of its own choice behind port 53. */
const EMBEDDED_RESOLVER = '127.0.0.11/32'

/** Whether a PU, or one that an earlier process left, has the whole network namespace, and so the loopback, for itself. */
export function hasOwnLoopback({ pus, inherited }: Pick<RuleInput, 'pus' | 'inherited'>): boolean {
  return (
    pus.some(({ pu }) => pu.runtime.isolation.by === 'netns') ||
    inherited.some(({ match }) => match.by === 'everything')
  )
}

/**
 * A PU with a network namespace of its own speaks with itself as it likes: by its loopback and by its own addresses. The interface
 * decides, not the address: nothing that arrives from outside came over `lo`, whatever source it claims.
 */
export function ownLoopbackRules(input: RuleInput, family: Family, direction: Direction): readonly Rule[] {
  if (!hasOwnLoopback(input)) return []
  const isResolvers = family === 'IPv4' ? rule`! -s ${EMBEDDED_RESOLVER} ! -d ${EMBEDDED_RESOLVER}` : []
  return [rule`${isResolvers} ${direction === 'in' ? '-i' : '-o'} lo -j RETURN`]
}

/** For a chain after NAT in OUTPUT: what was routed to `lo`, passed for that, and is then translated to another host. */
export function leavingLoopbackRules(input: RuleInput): readonly Rule[] {
  return hasOwnLoopback(input) ? [rule`-o lo -m addrtype ! --dst-type LOCAL -j DROP`] : []
}
