import { isDeepStrictEqual } from 'node:util'
import type { IPRule, PUPolicy, TagSelector } from './policy.js'
import type { PortRange } from './pu.js'
import { PORT_TAG } from './tags.js'

/** The name under which flow records show the denial of a closed port. */
const RULE = 'closed port'

const EVERYWHERE: readonly string[] = ['0.0.0.0/0', '::/0']

/** The policy, except that it rejects whoever connects to one of these ports, with an identity or without. */
export function withClosedPorts(policy: PUPolicy, ports: readonly PortRange[] = []): PUPolicy {
  if (ports.length === 0) return policy
  const { selector, rules } = denialOf(ports)
  return {
    ...policy,
    receiverRules: [selector, ...policy.receiverRules],
    networkACLs: [...rules, ...policy.networkACLs],
  }
}

/**
 * The policy that `withClosedPorts` was given; one that it has not made stays as it is. Nobody was ever let in at a closed port, so its
 * rules neither allow nor revoke anything.
 */
export function withoutClosedPorts(policy: PUPolicy, ports: readonly PortRange[] = []): PUPolicy {
  const { selector, rules } = denialOf(ports)
  const { receiverRules, networkACLs } = policy
  const isClosed =
    isDeepStrictEqual(receiverRules[0], selector) &&
    isDeepStrictEqual(networkACLs.slice(0, rules.length), rules)
  if (ports.length === 0 || !isClosed) return policy
  return {
    ...policy,
    receiverRules: receiverRules.slice(1),
    networkACLs: networkACLs.slice(rules.length),
  }
}

function denialOf(ports: readonly PortRange[]) {
  const values = ports.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`))
  const selector: TagSelector = {
    name: RULE,
    action: 'reject',
    clauses: [{ key: PORT_TAG, operator: '=', values }],
  }
  const rules = (['tcp', 'udp'] as const).map(
    (protocol): IPRule => ({ name: RULE, networks: EVERYWHERE, ports, protocol, action: 'reject' }),
  )
  return { selector, rules }
}
