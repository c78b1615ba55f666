import { EMBEDDED_RESOLVER } from '@trireme/core'
import type { Direction } from './direction.js'
import type { Family } from './family.js'
import { type Rule, rule } from './rule.js'
import type { RuleInput } from './rules.js'

/** Docker's. The engine answers there from outside of the container, by ports of its own choice behind port 53. */
export const RESOLVER = `${EMBEDDED_RESOLVER}/32`

/** Whether a PU, or one that an earlier process left, has the whole network namespace, and so the loopback, for itself. */
export function hasOwnLoopback({ pus, inherited }: Pick<RuleInput, 'pus' | 'inherited'>): boolean {
  return (
    pus.some(({ pu }) => pu.runtime.isolation.by === 'netns') ||
    inherited.some(({ match }) => match.by === 'everything')
  )
}

/**
 * A PU with a network namespace of its own speaks with itself as it likes: by its loopback and by its own addresses. The interface
 * decides, not the address: nothing that arrives from outside came over `lo`, whatever source it claims. What it asks Docker's
 * resolver is judged where it leaves, and nowhere else: behind that the engine's own NAT changes the port.
 */
export function ownLoopbackRules(input: RuleInput, family: Family, direction: Direction): readonly Rule[] {
  if (!hasOwnLoopback(input)) return []
  if (direction === 'in') return [rule`-i lo -j RETURN`]
  if (family === 'IPv6') return [rule`-o lo -j RETURN`]
  return [
    rule`! -s ${RESOLVER} ! -d ${RESOLVER} -o lo -j RETURN`,
    rule`-s ${RESOLVER} -o lo -m conntrack --ctdir REPLY -j RETURN`,
  ]
}

/** For a chain after NAT in OUTPUT: what was routed to `lo`, passed for that, and is then translated to another host. */
export function leavingLoopbackRules(input: RuleInput): readonly Rule[] {
  return hasOwnLoopback(input) ? [rule`-o lo -m addrtype ! --dst-type LOCAL -j DROP`] : []
}
