import type { FilterQueue, Networks } from '@trireme/core'
import { ofFamily } from './address-groups.js'
import { networkMatches } from './address-sets.js'
import { type ChainNames, puChainNames, puHash } from './chain-names.js'
import { DIRECTIONS, type Direction } from './direction.js'
import { failsafeRules } from './failsafe-rules.js'
import type { Family } from './family.js'
import {
  clearRules,
  dropRules,
  HAS_STATE,
  isCommand,
  isRefused,
  rejectRules,
  sharedChains,
} from './flow-rules.js'
import { EMPTY_TABLE, jump, type Layout, type TableLayout } from './layout.js'
import { linkChains, linkJumps, linksIn } from './link-rules.js'
import type { Link } from './links.js'
import { leavingLoopbackRules, ownLoopbackRules } from './own-loopback.js'
import { MATCH_ORDER, matchesOf, matchTokens, type PUMatch } from './pu-match.js'
import { denyRules, puChains } from './pu-rules.js'
import { type Rule, rule } from './rule.js'
import type { SupervisedPU } from './supervised-pu.js'

/** How an earlier process dispatched to a PU that nobody has supervised again yet. */
export interface InheritedMatch {
  readonly hash: string
  readonly direction: Direction
  readonly match: PUMatch
}

/** All that the rules are made from. */
export interface RuleInput {
  readonly names: ChainNames
  readonly networks: Networks
  readonly filterQueue: FilterQueue
  readonly pus: readonly SupervisedPU[]
  readonly inherited: readonly InheritedMatch[]
  /** The same of PUs behind interfaces. */
  readonly inheritedLinks: readonly Link[]
  /** cgroup paths that the kernel no longer knows: one of them would make the whole restore fail. */
  readonly vanishedPaths?: ReadonlySet<string>
  /** Whether the kernel has the table `security`. Default true. */
  readonly hasSecurityTable?: boolean
}

/** The hooks in which a refusal meets the table `filter`, and after it `security`: no rule may refuse where it meets neither. */
function refusalHooks(hasLinks: boolean): readonly string[] {
  return ['INPUT', 'OUTPUT', ...(hasLinks ? ['FORWARD'] : [])]
}

/** The rules of one family. Pure: equal input, equal rules. */
export function layoutOf(input: RuleInput, family: Family): Layout {
  const { names, filterQueue } = input
  const hasLinks = linksIn(input, family).length > 0
  return {
    raw: {
      chains: new Map([[names.clear, clearRules()]]),
      jumps: [jump('PREROUTING', names.clear), jump('OUTPUT', names.clear)],
    },
    filter: {
      chains: new Map([
        [names.reject, [...leavingLoopbackRules(input), ...rejectRules(filterQueue, family)]],
      ]),
      jumps: refusalHooks(hasLinks).map(hook => jump(hook, names.reject)),
    },
    security: input.hasSecurityTable === false ? EMPTY_TABLE : security(input, hasLinks),
    mangle: mangle(input, family, hasLinks),
  }
}

/** A foreign ACCEPT before our jump in `filter` ends that table: what was refused must not pass for it. */
function security(input: RuleInput, hasLinks: boolean): TableLayout {
  const { names, filterQueue } = input
  return {
    chains: new Map([[names.drop, [...leavingLoopbackRules(input), ...dropRules(filterQueue)]]]),
    jumps: refusalHooks(hasLinks).map(hook => jump(hook, names.drop)),
  }
}

/** RETURN instead of ACCEPT throughout: other programs' later rules in the table still see the packet. */
function mangle(input: RuleInput, family: Family, hasLinks: boolean): TableLayout {
  const { names, filterQueue, networks, pus } = input
  // What a PU behind an interface may not send to this host goes to `filter` at once.
  const passRefused = rule`${isRefused(filterQueue)} -j ACCEPT`
  const context = { names, family, filterQueue, triremeNetworks: ofFamily(networks.trireme, family) }
  return {
    chains: new Map([
      [names.in, [...(hasLinks ? [passRefused] : []), ...entryRules(input, family, 'in')]],
      [names.out, entryRules(input, family, 'out')],
      ...sharedChains(names, filterQueue, hasLinks),
      [names.synIn, synDispatch(input, 'in')],
      [names.synOut, synDispatch(input, 'out')],
      ...pus.flatMap(pu => [...puChains(pu, context)]),
      ...inheritedChains(input, family),
      ...linkChains(input, family),
    ]),
    jumps: [jump('INPUT', names.in), jump('OUTPUT', names.out), ...(hasLinks ? linkJumps(names) : [])],
  }
}

/** Every packet's way. One that is no PU's falls out at the end, untouched. */
function entryRules(input: RuleInput, family: Family, direction: Direction): readonly Rule[] {
  const { names, filterQueue, networks } = input
  const excluded = ofFamily(networks.excluded, family)
  const peer = direction === 'in' ? 'source' : 'destination'
  return [
    rule`${isCommand(filterQueue)} -g ${names.set}`,
    ...ownLoopbackRules(input, family, direction),
    ...networkMatches(excluded, peer, names.prefix).map(match => rule`${match} -j RETURN`),
    ...failsafeRules(input, family, direction),
    ...(direction === 'in' ? invalidSynRules(input) : []),
    rule`-p tcp ${HAS_STATE} -g ${direction === 'in' ? names.flowIn : names.flowOut}`,
    ...dispatch(input, direction).flatMap(({ match, main }) => [
      ...(direction === 'out' ? strangerRules(names, match) : []),
      rule`${matchTokens(match, direction)} -g ${main}`,
    ]),
  ]
}

/**
 * A port is no proof of who opens a connection from it: any process may bind a free one, and would get the PU's identity. What a
 * PU opens itself was found by its sockets already.
 */
function strangerRules({ refuse }: ChainNames, match: PUMatch): readonly Rule[] {
  if (match.by !== 'port' || match.protocol !== 'tcp') return []
  return [rule`${matchTokens(match, 'out')} --tcp-flags SYN,RST,ACK SYN -g ${refuse}`]
}

/**
 * Conntrack calls some a SYN or SYN-ACK invalid that a socket takes (one with URG, say). It belongs to no flow then, and only at a
 * declared port, or at a socket that the kernel looked up ahead, to a PU: without this it would open a PU's connection to anybody.
 */
function invalidSynRules(input: RuleInput): readonly Rule[] {
  const hasAll = dispatch(input, 'out').every(({ match }) => match.by === 'everything')
  return hasAll ? [] : [rule`-p tcp -m tcp --tcp-flags SYN SYN -m conntrack --ctstate INVALID -j DROP`]
}

/**
 * A SYN on a flow that has a state goes to its PU's queue whatever the state is; back to the flow queue where there is no PU. As
 * in OUT, who sends it is not known by its port.
 */
function synDispatch(input: RuleInput, direction: Direction): readonly Rule[] {
  return dispatch(input, direction)
    .filter(({ match }) => match.by !== 'port' || (match.protocol === 'tcp' && direction === 'in'))
    .map(({ match, trap }) => rule`${matchTokens(match, direction)} -g ${trap}`)
}

interface Dispatch {
  readonly match: PUMatch
  readonly main: string
  /** An inherited PU has no queue: its SYNs are denied like all else. */
  readonly trap: string
}

function dispatch(input: RuleInput, direction: Direction): readonly Dispatch[] {
  const { names, pus, inherited, vanishedPaths } = input
  const all: Dispatch[] = [
    ...pus.flatMap(({ pu }) => {
      const chains = puChainNames(names, puHash(pu.contextID))
      return matchesOf(pu.runtime, direction).map(match => ({
        match,
        main: chains[direction],
        trap: chains.trap,
      }))
    }),
    ...inherited
      .filter(each => each.direction === direction)
      .map(({ match, hash }) => {
        const main = puChainNames(names, hash)[direction]
        return { match, main, trap: main }
      }),
  ]
  const live = all.filter(({ match }) => !(match.by === 'cgroup-path' && vanishedPaths?.has(match.path)))
  return MATCH_ORDER.flatMap(kinds => live.filter(({ match }) => kinds.includes(match.by)))
}

/** Keep the names of the PU's own chains, so that yet another process can inherit them in turn. */
function inheritedChains(
  { names, inherited, inheritedLinks }: RuleInput,
  family: Family,
): [string, readonly Rule[]][] {
  const hashes = new Set([...inherited, ...inheritedLinks].map(({ hash }) => hash))
  return [...hashes].flatMap(hash =>
    DIRECTIONS.map((direction): [string, readonly Rule[]] => [
      puChainNames(names, hash)[direction],
      denyRules(family),
    ]),
  )
}
