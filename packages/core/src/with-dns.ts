import { isIPv6 } from 'node:net'
import type { IPRule, PUPolicy } from './policy.js'

/** The name under which flow records show what `dns: allow` lets pass. */
export const DNS_RULE = 'dns: allow'

const PORTS = [{ first: 53, last: 53 }]

/** The policy, with rules that accept queries to these name servers over UDP and TCP where it says `dns: allow`. */
export function withDNS(policy: PUPolicy, servers: readonly string[]): PUPolicy {
  if (policy.dns !== 'allow' || servers.length === 0) return policy
  const networks = servers.map(server => `${server}/${isIPv6(server) ? 128 : 32}`)
  const rules = (['udp', 'tcp'] as const).map(
    (protocol): IPRule => ({ name: DNS_RULE, networks, ports: PORTS, protocol, action: 'accept' }),
  )
  return { ...policy, applicationACLs: [...policy.applicationACLs, ...rules] }
}
