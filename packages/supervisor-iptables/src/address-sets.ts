import { createHash } from 'node:crypto'
import { distinct, groupsOf, ofFamily } from './address-groups.js'
import { aclOf } from './address-rules.js'
import { DIRECTIONS } from './direction.js'
import type { Family } from './family.js'
import { type Rule, rule } from './rule.js'
import type { RuleInput } from './rules.js'

/** The contents of sets of networks (ipset, `hash:net`) by their names. */
export type AddressSets = ReadonlyMap<string, readonly string[]>

export const NO_SETS: Readonly<Record<Family, AddressSets>> = { IPv4: new Map(), IPv6: new Map() }

/** A list that is longer becomes a set: one look at a set costs about as much as this many rules. */
const LONGEST_PLAIN_LIST = 8

/** The matches, one for each rule to be made, that hold a packet whose peer is in the networks of one family. */
export function networkMatches(
  networks: readonly string[],
  end: 'source' | 'destination',
  prefix: string,
): readonly Rule[] {
  const list = distinct(networks)
  if (isSet(list))
    return [rule`-m set --match-set ${setName(list, prefix)} ${end === 'source' ? 'src' : 'dst'}`]
  return list.map(network => rule`${end === 'source' ? '-s' : '-d'} ${network}`)
}

/**
 * The sets that the rules of one family need. A set is named for its contents and never changes: rules that are swapped in bring
 * their own, and those in force keep theirs.
 */
export function addressSetsOf({ names, networks, pus }: RuleInput, family: Family): AddressSets {
  const lists = [
    ofFamily(networks.trireme, family),
    ofFamily(networks.excluded, family),
    ...(networks.failsafe ?? []).map(({ peers }) => ofFamily(peers, family)),
    ...pus.flatMap(({ pu }) =>
      DIRECTIONS.flatMap(direction =>
        groupsOf(aclOf(pu.policy, direction), family).map(group => group.networks),
      ),
    ),
  ]
  const sets = lists.map(distinct).filter(isSet)
  return new Map(sets.map(list => [setName(list, names.prefix), list]))
}

function isSet(networks: readonly string[]): boolean {
  return networks.length > LONGEST_PLAIN_LIST
}

/** At most 31 characters (`IPSET_MAXNAMELEN`): the instance's prefix and 16 hex digits of SHA-256. */
function setName(networks: readonly string[], prefix: string): string {
  const digest = createHash('sha256')
    .update([...networks].sort().join(' '))
    .digest('hex')
  return `${prefix}${digest.slice(0, 16)}`
}
