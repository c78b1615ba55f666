import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import {
  compileACL,
  compileNetworks,
  decideAddress,
  type Networks,
  type PUInfo,
  type PURuntime,
  parseAddress,
} from '@trireme/core'

const DNS_PORT = 53

/** What a PU behind an interface says to itself never gets to the host. */
const LOOPBACK = ['127.0.0.0/8', '::1/128']

/** A sentence where the policy cuts a PU off from name servers of its own. */
export function resolverWarnings(
  pu: PUInfo,
  networks: Networks,
  servers: readonly string[],
): readonly string[] {
  const denied = deniedNameServers(pu, networks, servers)
  if (denied.length === 0) return []
  return [
    `the PU cannot resolve names: no rule over addresses lets it send UDP to port ${DNS_PORT} of ${denied.join(', ')}`,
  ]
}

/** Those of the servers to which the PU may not send a query. */
export function deniedNameServers(
  { policy, runtime }: PUInfo,
  { excluded, failsafe = [] }: Networks,
  servers: readonly string[],
): readonly string[] {
  if (runtime.isolation.by === 'ports') return []
  const acl = compileACL(policy.applicationACLs)
  const open = failsafe.filter(each => {
    return each.direction === 'out' && each.protocol === 'udp' && each.port === DNS_PORT
  })
  const own = runtime.isolation.by === 'interfaces' ? LOOPBACK : []
  const unlooked = compileNetworks([...excluded, ...own, ...open.flatMap(({ peers }) => peers)])
  return servers.filter(server => {
    const address = parseAddress(server)
    const decision = decideAddress(acl.match(address, DNS_PORT, 'udp'), policy.mode)
    return decision.verdict === 'reject' && !unlooked.contains(address)
  })
}

/** The addresses in a resolv.conf(5), without their zones. */
export function nameServers(text: string): readonly string[] {
  const servers = [...text.matchAll(/^nameserver[ \t]+([^\s%]+)/gm)].map(([, server = '']) => server)
  return servers.filter(server => isIP(server) !== 0)
}

/** By the resolv.conf that the PU's first process sees, the host's where none is known; none where it cannot be read. */
export function readNameServers({ pid }: PURuntime): readonly string[] {
  try {
    const root = pid === undefined ? '' : `/proc/${pid}/root`
    return nameServers(readFileSync(`${root}/etc/resolv.conf`, 'utf8'))
  } catch (error) {
    // There is none, or the process has ended.
    if (error instanceof Error && 'code' in error) return []
    throw error
  }
}
