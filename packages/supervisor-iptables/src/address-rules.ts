import {
  compileNetworks,
  EMBEDDED_RESOLVER,
  type FilterQueue,
  type IPRule,
  type PortRange,
  type PUPolicy,
  parseAddress,
} from '@trireme/core'
import { type AddressGroup, groupsOf } from './address-groups.js'
import { networkMatches } from './address-sets.js'
import type { ChainNames, PUChainNames } from './chain-names.js'
import { parseCIDR } from './cidr.js'
import type { Direction } from './direction.js'
import type { Family } from './family.js'
import { RESOLVER } from './own-loopback.js'
import { portRangeToken } from './pu-match.js'
import { type Rule, rule } from './rule.js'

/** What the rules of every PU in one family are made with. */
export interface PUContext {
  readonly names: ChainNames
  readonly family: Family
  readonly filterQueue: FilterQueue
  /** The family's trireme networks. */
  readonly triremeNetworks: readonly string[]
}

/** One PU's packets of one direction. */
export interface PUSide {
  readonly policy: PUPolicy
  readonly chains: PUChainNames
  readonly direction: Direction
  readonly context: PUContext
}

/** The rules over addresses that decide over packets of this direction. */
export function aclOf(policy: PUPolicy, direction: Direction): readonly IPRule[] {
  return direction === 'in' ? policy.networkACLs : policy.applicationACLs
}

/** Decide over opening SYNs (`tcp`) or over what is not TCP (`other`), the default included. */
export function addressRules(side: PUSide, use: 'tcp' | 'other'): readonly Rule[] {
  const { policy, direction, chains } = side
  const denied =
    policy.mode === 'observe' ? chains.observed : chains[direction === 'in' ? 'denyIn' : 'denyOut']
  const targets = { reject: denied, observe: chains.observed, accept: chains.accepted }
  const groups = groupsFor(side, direction, use)
  return [
    ...groups.flatMap(group => matchesOf(group, side).map(match => rule`${match} -g ${targets[group.tier]}`)),
    rule`-g ${denied}`,
  ]
}

/** Decide over TCP to Docker's resolver: it shows no identity although it is within the trireme networks. */
export function resolverRules(side: PUSide): readonly Rule[] {
  if (side.context.family === 'IPv6') return []
  const resolver = parseAddress(EMBEDDED_RESOLVER)
  const applicationACLs = side.policy.applicationACLs
    .filter(({ networks }) =>
      compileNetworks(networks.flatMap(network => parseCIDR(network)?.text ?? [])).contains(resolver),
    )
    .map(each => ({ ...each, networks: [RESOLVER] }))
  const decided = addressRules({ ...side, policy: { ...side.policy, applicationACLs } }, 'tcp')
  return decided.map(each => (each[0] === '-d' ? each : rule`-d ${RESOLVER} ${each}`))
}

/** Decide over answers to what is not TCP: by the rules for the direction of the flow's first packet. */
export function answerRules(side: PUSide): readonly Rule[] {
  const { policy, direction, chains, context } = side
  const denied = rule`-g ${chains[direction === 'in' ? 'denyIn' : 'denyOut']}`
  const accepted = rule`-g ${context.names.acl}`
  if (policy.mode === 'observe') return [accepted]
  const groups = groupsFor(side, direction === 'in' ? 'out' : 'in', 'other')
  return [
    ...groups.flatMap(group =>
      matchesOf(group, side, 'answer').map(
        match => rule`${match} ${group.tier === 'reject' ? denied : accepted}`,
      ),
    ),
    denied,
  ]
}

function groupsFor(
  { policy, context }: PUSide,
  direction: Direction,
  use: 'tcp' | 'other',
): readonly AddressGroup[] {
  return groupsOf(aclOf(policy, direction), context.family).filter(
    ({ protocol }) => protocol === 'any' || (protocol === 'tcp') === (use === 'tcp'),
  )
}

function matchesOf(
  { protocol, ports, networks }: AddressGroup,
  { direction, context }: PUSide,
  way: 'first' | 'answer' = 'first',
): readonly Rule[] {
  const peers = networkMatches(networks, direction === 'in' ? 'source' : 'destination', context.names.prefix)
  const kind = protocol === 'any' ? [] : rule`-p ${protocol === 'icmp' ? icmp(context.family) : protocol}`
  const ranges = portMatches(protocol, ports, way === 'first' ? '--dport' : '--sport')
  return peers.flatMap(peer => ranges.map(range => rule`${peer} ${kind} ${range}`))
}

/** ICMP of the family, as `-p` takes it. */
export function icmp(family: Family): string {
  return family === 'IPv4' ? 'icmp' : 'ipv6-icmp'
}

/** The match `multiport` has 15 places, and a range takes two of them (`linux/netfilter/xt_multiport.h`). */
const MULTIPORT_PLACES = 15

function portMatches(
  protocol: string,
  ports: readonly PortRange[],
  option: '--dport' | '--sport',
): readonly Rule[] {
  if (ports.length === 0) return [[]]
  if (ports.length === 1) return [rule`-m ${protocol} ${option} ${portRangeToken(ports[0]!)}`]
  return chunksOf(ports).map(
    chunk => rule`-m multiport ${`${option}s`} ${chunk.map(portRangeToken).join(',')}`,
  )
}

function chunksOf(ports: readonly PortRange[]): readonly (readonly PortRange[])[] {
  const chunks: PortRange[][] = [[]]
  let places = 0
  for (const range of ports) {
    const size = range.first === range.last ? 1 : 2
    if (places + size > MULTIPORT_PLACES) {
      chunks.push([])
      places = 0
    }
    chunks.at(-1)!.push(range)
    places += size
  }
  return chunks
}
