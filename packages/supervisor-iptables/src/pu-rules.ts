import type { FilterQueue, IPRule, PUPolicy } from '@trireme/core'
import { type ChainNames, type PUChainNames, puChainNames, puHash } from './chain-names.js'
import { parseCIDR } from './cidr.js'
import { DIRECTIONS, type Direction } from './direction.js'
import type { Family } from './family.js'
import {
  HAS_NO_OVERLAY_OPTION,
  HAS_NO_STATE,
  HAS_OVERLAY_OPTION,
  OPENING_SYN,
  PLAIN_RESET,
  queueTo,
  setState,
} from './flow-rules.js'
import { portRangeToken } from './pu-match.js'
import { type Rule, rule } from './rule.js'
import type { SupervisedPU } from './supervised-pu.js'

/** What the rules of every PU in one family are made with. */
export interface PUContext {
  readonly names: ChainNames
  readonly family: Family
  readonly filterQueue: FilterQueue
  /** The family's trireme networks. */
  readonly triremeNetworks: readonly string[]
}

/** Router solicitation and advertisement, neighbour solicitation and advertisement (RFC 4861): without them no IPv6. */
const NEIGHBOUR_DISCOVERY: readonly number[] = [133, 134, 135, 136]

/** The chains of one PU. A packet that gets here belongs to the PU and to no flow with a state that is still good. */
export function puChains(supervised: SupervisedPU, context: PUContext): ReadonlyMap<string, readonly Rule[]> {
  const { pu, enforcement } = supervised
  const chains = puChainNames(context.names, puHash(pu.contextID))
  return new Map([
    ...DIRECTIONS.flatMap((direction): [string, readonly Rule[]][] => [
      [chains[direction], mainRules({ policy: pu.policy, chains, direction, context })],
      [synChain(chains, direction), synRules({ policy: pu.policy, chains, direction, context })],
    ]),
    [chains.midStream, midStreamRules(context)],
    [chains.trap, trapRules(context, enforcement.queueNumber)],
  ])
}

/** The rules of a PU that an earlier process left behind: what an error or a neighbour needs passes, nothing else. */
export function denyRules(family: Family): readonly Rule[] {
  return [...alwaysRules(family), rule`-j DROP`]
}

interface PUSide {
  readonly policy: PUPolicy
  readonly chains: PUChainNames
  readonly direction: Direction
  readonly context: PUContext
}

function synChain(chains: PUChainNames, direction: Direction): string {
  return direction === 'in' ? chains.synIn : chains.synOut
}

function icmp(family: Family): string {
  return family === 'IPv4' ? 'icmp' : 'ipv6-icmp'
}

/** Conntrack does not track neighbour discovery, so it goes before the look at conntrack's state. */
function alwaysRules(family: Family): readonly Rule[] {
  const discovery = family === 'IPv6' ? NEIGHBOUR_DISCOVERY : []
  return [
    ...discovery.map(type => rule`-p ipv6-icmp -m icmp6 --icmpv6-type ${type} -j RETURN`),
    rule`-m conntrack --ctstate INVALID -j DROP`,
    rule`-p ${icmp(family)} -m conntrack --ctstate RELATED -j RETURN`,
    rule`${PLAIN_RESET} -j RETURN`,
  ]
}

function mainRules(side: PUSide): readonly Rule[] {
  const { policy, chains, direction, context } = side
  const rest = policy.mode === 'observe' ? rule`-j RETURN` : rule`-j DROP`
  return [
    ...alwaysRules(context.family),
    rule`${OPENING_SYN} -g ${synChain(chains, direction)}`,
    rule`-p tcp -g ${chains.midStream}`,
    // On loopback the PU's own flows are not marked on their way out (see the ACL chain): this is what answers them.
    ...(direction === 'in' ? [rule`-i lo -m conntrack --ctdir REPLY -j RETURN`] : []),
    ...(policy.mode === 'observe' ? [] : externalRules(side, 'other')),
    rest,
  ]
}

function synRules(side: PUSide): readonly Rule[] {
  const { policy, chains, direction, context } = side
  const peer = direction === 'in' ? '-s' : '-d'
  const overlay = rule`-p tcp -m tcp ${HAS_OVERLAY_OPTION} -g ${chains.trap}`
  return [
    // A SYN of a simultaneous open would be decided by the other side's state.
    rule`-m conntrack --ctdir REPLY -j DROP`,
    ...(direction === 'in' ? [overlay] : []),
    ...context.triremeNetworks.map(network => rule`${peer} ${network} -g ${chains.trap}`),
    ...(policy.mode === 'observe'
      ? [rule`-g ${context.names.acl}`]
      : [...externalRules(side, 'tcp'), denied(side, 'tcp')]),
  ]
}

/** Rules over addresses, rejects first: for opening SYNs (`tcp`) or for what is not TCP (`other`). */
function externalRules(side: PUSide, use: 'tcp' | 'other'): readonly Rule[] {
  const { policy, direction, context } = side
  const rules = (direction === 'in' ? policy.networkACLs : policy.applicationACLs).filter(
    ({ protocol }) => protocol === 'any' || (protocol === 'tcp') === (use === 'tcp'),
  )
  const of = (action: IPRule['action'], end: Rule) =>
    rules
      .filter(each => each.action === action)
      .flatMap(each => ipMatches(each, side).map(match => rule`${match} ${end}`))
  return [...of('reject', denied(side, use)), ...of('accept', rule`-g ${context.names.acl}`)]
}

function denied({ policy, context }: PUSide, use: 'tcp' | 'other'): Rule {
  return use === 'tcp' && policy.denyWith === 'reset' ? rule`-g ${context.names.refuse}` : rule`-j DROP`
}

function ipMatches({ networks, ports, protocol }: IPRule, { direction, context }: PUSide): readonly Rule[] {
  const peer = direction === 'in' ? '-s' : '-d'
  const kind = protocol === 'any' ? [] : rule`-p ${protocol === 'icmp' ? icmp(context.family) : protocol}`
  const ranges =
    ports.length === 0 ? [[]] : ports.map(range => rule`-m ${protocol} --dport ${portRangeToken(range)}`)
  return ofFamily(networks, context.family).flatMap(network =>
    ranges.map(range => rule`${peer} ${network} ${kind} ${range}`),
  )
}

/** A SYN-ACK is dropped in silence: the SYN that is sent again makes its entry anew. */
function midStreamRules({ names }: PUContext): readonly Rule[] {
  const resettable = rule`-p tcp -m tcp ! --tcp-flags SYN SYN ${HAS_NO_OVERLAY_OPTION}`
  return [rule`${resettable} -m limit --limit 100/s --limit-burst 100 -g ${names.refuse}`, rule`-j DROP`]
}

/**
 * The queue sees the state that the flow had before: so the enforcer knows a SYN that was trapped at the other end already,
 * because both ends share one entry.
 */
function trapRules({ filterQueue }: PUContext, queueNumber: number): readonly Rule[] {
  const [showState, queue] = queueTo(queueNumber)
  return [showState, rule`${HAS_NO_STATE} ${setState('handshake', filterQueue)}`, queue]
}

/** The CIDRs of one family, as iptables takes them. */
export function ofFamily(networks: readonly string[], family: Family): readonly string[] {
  return networks.flatMap(network => {
    const cidr = parseCIDR(network)
    return cidr?.family === family ? [cidr.text] : []
  })
}
