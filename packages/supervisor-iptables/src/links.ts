import type { PUInfo, PUInterface } from '@trireme/core'
import { ofFamily } from './address-groups.js'
import { puHash } from './chain-names.js'
import { DIRECTIONS, type Direction } from './direction.js'
import type { Family } from './family.js'
import { type Rule, rule } from './rule.js'

/** How packets of one family and direction are told to be at an interface of a PU, by the bridge's port and the address together. */
export interface Link {
  /** Names the PU's chains. */
  readonly hash: string
  readonly family: Family
  readonly direction: Direction
  /** At the PU's interface, and from or to an address that is not the PU's. */
  readonly isStray: boolean
  readonly match: Rule
}

/** Those of a PU behind interfaces, in both families; none of any other PU. To be asked in order, strays of all PUs last. */
export function linksOf({ contextID, runtime: { isolation } }: PUInfo): readonly Link[] {
  if (isolation.by !== 'interfaces') return []
  const hash = puHash(contextID)
  return isolation.interfaces.flatMap(each =>
    (['IPv4', 'IPv6'] as const).flatMap(family =>
      DIRECTIONS.flatMap(direction => {
        const link = (isStray: boolean) => (match: Rule) => ({ hash, family, direction, isStray, match })
        return [
          ...ownMatches(each, family, direction).map(link(false)),
          ...strayMatches(each, family, direction).map(link(true)),
        ]
      }),
    ),
  )
}

/**
 * What a bridge carries is told by its port. What this host sends or routes into the bridge has no port yet, and finds it by the
 * destination.
 */
function ownMatches(
  { name, bridge, addresses }: PUInterface,
  family: Family,
  direction: Direction,
): readonly Rule[] {
  const own = ofFamily(addresses.map(single), family)
  if (direction === 'out') return own.map(address => rule`-s ${address} -m physdev --physdev-in ${name}`)
  return own.flatMap(address => [
    rule`-d ${address} -m physdev --physdev-out ${name} --physdev-is-bridged`,
    rule`-d ${address} -o ${bridge} ${NOT_BRIDGED}`,
  ])
}

/** A frame for one of the reserved groups (IEEE 802.1D §7.12.6) passes its bridge by, and arrives at the port itself. */
function strayMatches({ name, bridge }: PUInterface, family: Family, direction: Direction): readonly Rule[] {
  if (direction === 'out') return [rule`-m physdev --physdev-in ${name}`, rule`-i ${name}`]
  const groups = family === 'IPv4' ? ['MULTICAST', 'BROADCAST'] : ['MULTICAST']
  return [
    rule`-m physdev --physdev-out ${name} --physdev-is-bridged`,
    ...groups.map(group => rule`-o ${bridge} ${NOT_BRIDGED} -m addrtype --dst-type ${group}`),
  ]
}

export const NOT_BRIDGED: Rule = rule`-m physdev ! --physdev-is-bridged`

function single(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`
}
