import type { Enforcement, FilterQueue, Isolation } from '@trireme/core'
import {
  addressRules,
  answerRules,
  icmp,
  type PUContext,
  type PUSide,
  resolverRules,
} from './address-rules.js'
import { networkMatches } from './address-sets.js'
import { puChainNames, puHash } from './chain-names.js'
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
import { atMost, denyingRules, logTo, passRules } from './outcome-rules.js'
import { type Rule, rule } from './rule.js'
import type { SupervisedPU } from './supervised-pu.js'

/**
 * What the kernel itself says on its links, without which there is no IPv6 (RFC 4890 section 4.4), by the hop limit that says that it
 * was sent on this link: multicast listener query, report, done and report of version 2 (RFC 2710, RFC 3810 section 5), which no
 * router passes on, and neighbour discovery, which none can have passed on (RFC 4861 section 7.1).
 */
const LINK_MESSAGES = [
  { hopLimit: 1, types: [130, 131, 132, 143] },
  { hopLimit: 255, types: [133, 134, 135, 136] },
] as const

/**
 * The chains of one PU. A packet that gets here belongs to the PU, and, if it is TCP, to no flow with a state that is still good. The
 * PU's rules decide over each packet of any other protocol: a mark would belong to the tuple, which another process may take.
 */
export function puChains(supervised: SupervisedPU, of: PUContext): ReadonlyMap<string, readonly Rule[]> {
  const { pu, enforcement } = supervised
  const acl = pu.runtime.isolation.by === 'interfaces' ? of.names.aclTCP : of.names.acl
  const context = { ...of, names: { ...of.names, acl } }
  const { queueNumber } = enforcement
  const chains = puChainNames(context.names, puHash(pu.contextID))
  const sides = DIRECTIONS.map((direction): PUSide => ({ policy: pu.policy, chains, direction, context }))
  const [side] = sides as [PUSide]
  return new Map([
    ...sides.flatMap((side): [string, readonly Rule[]][] => [
      [chains[side.direction], mainRules(side, supervised)],
      [synChain(side), synRules(side, supervised)],
      [side.direction === 'in' ? chains.answerIn : chains.answerOut, answerRules(side)],
      [side.direction === 'in' ? chains.denyIn : chains.denyOut, denyingRules(side, queueNumber)],
    ]),
    [chains.accepted, passRules(side, queueNumber, 'accept')],
    [chains.observed, passRules(side, queueNumber, 'observe')],
    [chains.midStream, midStreamRules(context, enforcement)],
    [chains.trap, trapRules(context.filterQueue, queueNumber)],
  ])
}

/** The rules of a PU that an earlier process left behind: what an error or a neighbour needs passes, nothing else. */
export function denyRules(family: Family): readonly Rule[] {
  return [...alwaysRules(family), rule`-j DROP`]
}

/** Lets the messages of the link pass. What was not sent on it is judged like any other packet. */
export function linkMessageRules(family: Family): readonly Rule[] {
  if (family === 'IPv4') return []
  return LINK_MESSAGES.flatMap(({ hopLimit, types }) =>
    types.map(type => rule`-p ipv6-icmp -m icmp6 --icmpv6-type ${type} -m hl --hl-eq ${hopLimit} -j RETURN`),
  )
}

function synChain({ chains, direction }: PUSide): string {
  return direction === 'in' ? chains.synIn : chains.synOut
}

/** Conntrack does not track messages of the link, so they go before the look at conntrack's state. */
function alwaysRules(family: Family, logInvalid: readonly Rule[] = []): readonly Rule[] {
  return [
    ...linkMessageRules(family),
    ...logInvalid,
    rule`-m conntrack --ctstate INVALID -j DROP`,
    rule`-p ${icmp(family)} -m conntrack --ctstate RELATED -j RETURN`,
    rule`${PLAIN_RESET} -j RETURN`,
  ]
}

function mainRules(side: PUSide, { pu, enforcement: { queueNumber } }: SupervisedPU): readonly Rule[] {
  const { chains, direction, context } = side
  const invalid = logTo(context.filterQueue, { queueNumber, outcome: 'drop.state' })
  return [
    ...alwaysRules(context.family, [rule`-m conntrack --ctstate INVALID ${invalid}`]),
    rule`${OPENING_SYN} -g ${synChain(side)}`,
    rule`-p tcp -g ${chains.midStream}`,
    ...loopbackRules(direction, pu.runtime.isolation.by),
    rule`-m conntrack --ctdir REPLY -g ${direction === 'in' ? chains.answerIn : chains.answerOut}`,
    ...addressRules(side, 'other'),
  ]
}

/** Where the loopback is the PU's own, its rules let out what is on it, or it answers that. */
function loopbackRules(direction: Direction, by: Isolation['by']): readonly Rule[] {
  if (by !== 'netns') return []
  return direction === 'in' ? [rule`-i lo -j RETURN`] : [rule`-o lo -m conntrack --ctdir REPLY -j RETURN`]
}

function synRules(side: PUSide, { pu, enforcement: { queueNumber } }: SupervisedPU): readonly Rule[] {
  const { chains, direction, context } = side
  const { names, filterQueue, triremeNetworks } = context
  const peer = direction === 'in' ? 'source' : 'destination'
  const overlay = rule`-p tcp -m tcp ${HAS_OVERLAY_OPTION} -g ${chains.trap}`
  return [
    // A SYN of a simultaneous open would be decided by the other side's state.
    rule`-m conntrack --ctdir REPLY ${logTo(filterQueue, { queueNumber, outcome: 'drop.state' })}`,
    rule`-m conntrack --ctdir REPLY -j DROP`,
    ...(direction === 'in' ? [overlay] : []),
    ...(direction === 'out' && pu.runtime.isolation.by === 'netns' ? resolverRules(side) : []),
    ...networkMatches(triremeNetworks, peer, names.prefix).map(match => rule`${match} -g ${chains.trap}`),
    ...addressRules(side, 'tcp'),
  ]
}

/** So many segments of connections without an entry are looked at; what comes beyond is sent again, if it is of one that lives. */
const MID_STREAM_PER_SECOND = 1000

/**
 * The enforcer knows connections whose entry is gone, and refuses others. A SYN-ACK is dropped in silence: the SYN that is sent again
 * makes its entry anew.
 */
function midStreamRules(
  { filterQueue }: PUContext,
  { queueNumber, adopts = false }: Enforcement,
): readonly Rule[] {
  const resettable = rule`-p tcp -m tcp ! --tcp-flags SYN SYN ${HAS_NO_OVERLAY_OPTION}`
  const [showState, queue] = queueTo(queueNumber)
  return [
    rule`${resettable} ${showState}`,
    rule`${resettable} ${adopts ? [] : atMost(MID_STREAM_PER_SECOND)} ${queue}`,
    logTo(filterQueue, { queueNumber, outcome: 'drop.mid-stream' }),
    rule`-j DROP`,
  ]
}

/**
 * The queue sees the state that the flow had before: so the enforcer knows a SYN that was trapped at the other end already,
 * because both ends share one entry.
 */
function trapRules(filterQueue: FilterQueue, queueNumber: number): readonly Rule[] {
  const [showState, queue] = queueTo(queueNumber)
  return [showState, rule`${HAS_NO_STATE} ${setState('handshake', filterQueue)}`, queue]
}
