import type { IPRule, PUPolicy, TagSelector } from './policy.js'
import type { PortRange } from './pu.js'
import { PORT_TAG } from './tags.js'

/** The name under which flow records show the denial of a closed port. */
const RULE = 'closed port'

const EVERYWHERE: readonly string[] = ['0.0.0.0/0', '::/0']

/** The policy, except that it rejects whoever connects to one of these ports, with an identity or without. */
export function withClosedPorts(policy: PUPolicy, ports: readonly PortRange[] = []): PUPolicy {
  if (ports.length === 0) return policy
  const values = ports.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`))
  const selector: TagSelector = {
    name: RULE,
    action: 'reject',
    clauses: [{ key: PORT_TAG, operator: '=', values }],
  }
  const rules = (['tcp', 'udp'] as const).map(
    (protocol): IPRule => ({ name: RULE, networks: EVERYWHERE, ports, protocol, action: 'reject' }),
  )
  return {
    ...policy,
    receiverRules: [selector, ...policy.receiverRules],
    networkACLs: [...rules, ...policy.networkACLs],
  }
}
