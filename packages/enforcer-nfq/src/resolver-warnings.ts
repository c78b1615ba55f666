import {
  compileACL,
  compileNetworks,
  decideAddress,
  type Networks,
  type PUInfo,
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
    `the PU cannot resolve names: no rule over addresses lets it send UDP to port ${DNS_PORT} of ${denied.join(', ')}; ` +
      `in a policy file, this allows it: ${lineOf(pu)}`,
  ]
}

/** What to paste into a policy file. A tag of one value may select other PUs, too: people see which. */
function lineOf({ policy: { identity } }: PUInfo): string {
  const [tag] = identity
  if (!tag) return 'dns: allow'
  return `pus: [{ pu: { ${JSON.stringify(tag.key)}: ${JSON.stringify(tag.value)} }, dns: allow }]`
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
