import { ofFamily } from './address-groups.js'
import { networkMatches } from './address-sets.js'
import { type ChainNames, type PUChainNames, puChainNames } from './chain-names.js'
import type { Direction } from './direction.js'
import { failsafeRules } from './failsafe-rules.js'
import type { Family } from './family.js'
import {
  askOnHostsOwn,
  flowRules,
  HAS_STATE,
  isCommand,
  isRefused,
  OPENING_SYN,
  setState,
} from './flow-rules.js'
import { type Jump, jump } from './layout.js'
import { type Link, linksOf, NOT_BRIDGED } from './links.js'
import { linkMessageRules } from './pu-rules.js'
import { type Rule, rule } from './rule.js'
import type { RuleInput } from './rules.js'

/** The links of one family: of the PUs, the last first, for an address is its last owner's, and those that an earlier process left. */
export function linksIn({ pus, inheritedLinks }: RuleInput, family: Family): readonly Link[] {
  const all = [...pus.toReversed().flatMap(({ pu }) => linksOf(pu)), ...inheritedLinks]
  return all.filter(link => link.family === family)
}

/**
 * The ways from and to PUs behind interfaces. What such a PU sends is seen where it enters the host, before any translation; what it
 * gets, where it has been decided that it goes there: in FORWARD, where a refusal can still be answered, and for this host's own
 * packets in POSTROUTING, once their destination has been translated.
 */
export function linkJumps({ from, to, hostTo }: ChainNames): readonly Jump[] {
  return [jump('PREROUTING', from), jump('FORWARD', to), jump('POSTROUTING', hostTo)]
}

/** All chains of PUs behind interfaces but those that every PU has. */
export function linkChains(input: RuleInput, family: Family): readonly [string, readonly Rule[]][] {
  const { names, filterQueue } = input
  const links = linksIn(input, family)
  if (links.length === 0) return []
  const hashes = new Set(links.map(({ hash }) => hash))
  const inherited = new Set(input.inheritedLinks.map(({ hash }) => hash))
  return [
    [names.from, dispatchRules(names, links, 'out')],
    // A refused packet goes to `filter` at once.
    [names.to, [rule`${isRefused(filterQueue)} -j ACCEPT`, ...dispatchRules(names, links, 'in')]],
    [names.hostTo, hostRules(input)],
    [names.hostsOwn, askOnHostsOwn(names.to)],
    [names.flowFrom, flowRules(names, filterQueue, 'from')],
    [names.flowTo, flowRules(names, filterQueue, 'to')],
    // Both ends may be PUs of this host, with one entry for the two: each decides over every packet that is not TCP.
    [names.aclTCP, [rule`! -p tcp -j RETURN`, setState('acl', filterQueue)]],
    ...[...hashes].flatMap((hash): [string, readonly Rule[]][] => {
      const chains = puChainNames(names, hash)
      const entry = { chains, family, isInherited: inherited.has(hash) }
      return [
        [chains.from, entryRules(input, { ...entry, direction: 'out' })],
        [chains.to, entryRules(input, { ...entry, direction: 'in' })],
        [chains.stray, strayRules(links, hash, family)],
      ]
    }),
  ]
}

/** A container that advertised itself as a router would get what others send (RFC 4861 section 4.2). */
const FROM_A_ROUTER: Rule = rule`-p ipv6-icmp -m icmp6 --icmpv6-type 134`

/** Advertisements of a router come from an address of the link, which is no PU's own. */
function strayRules(links: readonly Link[], hash: string, family: Family): readonly Rule[] {
  const sent = links.filter(link => family === 'IPv6' && link.hash === hash && link.isStray)
  return [
    ...sent
      .filter(({ direction }) => direction === 'out')
      .map(({ match }) => rule`${match} ${FROM_A_ROUTER} -j DROP`),
    ...linkMessageRules(family),
    rule`-j DROP`,
  ]
}

function dispatchRules(names: ChainNames, links: readonly Link[], direction: Direction): readonly Rule[] {
  const these = links.filter(link => link.direction === direction)
  return [...these.filter(({ isStray }) => !isStray), ...these.filter(({ isStray }) => isStray)].map(
    ({ hash, isStray, match }) => {
      const chains = puChainNames(names, hash)
      return rule`${match} -g ${isStray ? chains.stray : chains[direction === 'out' ? 'from' : 'to']}`
    },
  )
}

/**
 * A packet that this host sends itself: its source is local, or a socket is behind it. What was refused before has no business here:
 * others have cut short what should have answered it.
 */
function hostRules({ names, filterQueue }: RuleInput): readonly Rule[] {
  return [
    rule`${isRefused(filterQueue)} -j DROP`,
    rule`${NOT_BRIDGED} -m addrtype --src-type LOCAL -g ${names.hostsOwn}`,
    rule`${NOT_BRIDGED} -m addrtype ! --src-type LOCAL -m owner --socket-exists -g ${names.hostsOwn}`,
  ]
}

interface Entry {
  readonly chains: PUChainNames
  readonly family: Family
  readonly direction: Direction
  /** An inherited PU has no queue: its SYNs are denied like all else. */
  readonly isInherited: boolean
}

/** Every packet of one PU, by the same steps as everybody's in INPUT and OUTPUT. */
function entryRules(input: RuleInput, { chains, family, direction, isInherited }: Entry): readonly Rule[] {
  const { names, filterQueue, networks } = input
  const [peer, flow] =
    direction === 'in' ? (['source', names.flowTo] as const) : (['destination', names.flowFrom] as const)
  const demote = rule`${OPENING_SYN} ${HAS_STATE} ${setState('handshake', filterQueue)}`
  return [
    rule`${isCommand(filterQueue)} -g ${names.set}`,
    ...(direction === 'out' && family === 'IPv6' ? [rule`${FROM_A_ROUTER} -j DROP`] : []),
    ...networkMatches(ofFamily(networks.excluded, family), peer, names.prefix).map(
      match => rule`${match} -j RETURN`,
    ),
    ...failsafeRules(input, family, direction),
    ...(direction === 'out' ? [demote] : []),
    rule`${OPENING_SYN} ${HAS_STATE} -g ${isInherited ? chains[direction] : chains.trap}`,
    rule`-p tcp ${HAS_STATE} -g ${flow}`,
    rule`-g ${chains[direction]}`,
  ]
}
