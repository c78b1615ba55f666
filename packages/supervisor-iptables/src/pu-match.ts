import type { Isolation, PortRange, PURuntime } from '@trireme/core'
import type { Direction } from './direction.js'
import { type Rule, rule } from './rule.js'

/** One way in which the kernel tells a PU's packets; a PU has several. */
export type PUMatch =
  | { readonly by: 'cgroup-path'; readonly path: string }
  | { readonly by: 'net-cls'; readonly classID: number }
  | { readonly by: 'owner'; readonly uid: number }
  /** The PU's end of a TCP or UDP packet. */
  | { readonly by: 'port'; readonly protocol: 'tcp' | 'udp'; readonly range: PortRange }
  /** All packets of the network namespace. */
  | { readonly by: 'everything' }

/**
 * The matches of a PU. A socket's cgroup misses SYNs that arrive, SYN-ACKs and resets that leave: these are found by the
 * PU's ports.
 */
export function matchesOf({ isolation, ports }: PURuntime, direction: Direction): readonly PUMatch[] {
  if (isolation.by === 'netns') return [{ by: 'everything' }]
  // Its packets are told apart where they pass the host: see `linksOf`.
  if (isolation.by === 'interfaces') return []
  return [...socketMatches(isolation, direction), ...ports.flatMap(portMatches)]
}

/** By sockets first, since a client's own port may lie in another PU's range; what takes everything comes last. */
export const MATCH_ORDER: readonly (readonly PUMatch['by'][])[] = [
  ['cgroup-path', 'net-cls'],
  ['owner'],
  ['port'],
  ['everything'],
]

export function matchTokens(match: PUMatch, direction: Direction): Rule {
  switch (match.by) {
    case 'cgroup-path':
      return rule`-m cgroup --path ${match.path}`
    case 'net-cls':
      return rule`-m cgroup --cgroup ${match.classID}`
    case 'owner':
      return rule`-m owner --uid-owner ${match.uid}`
    case 'port': {
      const end = direction === 'in' ? '--dport' : '--sport'
      return rule`-p ${match.protocol} -m ${match.protocol} ${end} ${portRangeToken(match.range)}`
    }
    case 'everything':
      return []
  }
}

/** Reads what `matchTokens` writes, as iptables-save prints it; `undefined` for anything else. */
export function parseMatchTokens(tokens: Rule): PUMatch | undefined {
  const text = tokens.join(' ')
  if (text === '') return { by: 'everything' }
  const path = /^-m cgroup --path (\S+)$/.exec(text)?.[1]
  if (path !== undefined) return { by: 'cgroup-path', path: unquote(path) }
  const classID = /^-m cgroup --cgroup (\d+)$/.exec(text)?.[1]
  if (classID !== undefined) return { by: 'net-cls', classID: Number(classID) }
  const uid = /^-m owner --uid-owner (\d+)$/.exec(text)?.[1]
  if (uid !== undefined) return { by: 'owner', uid: Number(uid) }
  const [, protocol, ports] = /^-p (tcp|udp) -m (?:tcp|udp)(?: --[ds]port ([\d:]+))?$/.exec(text) ?? []
  if (protocol === undefined) return undefined
  // A range that holds every port is not printed.
  const [first = '0', last = first] = (ports ?? '0:65535').split(':')
  const range = { first: Number(first), last: Number(last) }
  return { by: 'port', protocol: protocol === 'tcp' ? 'tcp' : 'udp', range }
}

export function portRangeToken({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}:${last}`
}

/** By the PU's sockets. A socket's owner is known only of what leaves (xt_owner is for OUTPUT). */
function socketMatches(
  isolation: Exclude<Isolation, { by: 'netns' | 'interfaces' }>,
  direction: Direction,
): readonly PUMatch[] {
  switch (isolation.by) {
    case 'cgroup-path':
      return [{ by: 'cgroup-path', path: isolation.path }]
    case 'net-cls':
      return [{ by: 'net-cls', classID: isolation.classID }]
    case 'owner':
      return direction === 'out' ? [{ by: 'owner', uid: isolation.uid }] : []
    case 'ports':
      return []
  }
}

function portMatches(range: PortRange): PUMatch[] {
  return [
    { by: 'port', protocol: 'tcp', range },
    { by: 'port', protocol: 'udp', range },
  ]
}

/** iptables-save puts a string with unusual characters into double quotes and escapes `"`, `\` and `'` in it. */
function unquote(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text
}
