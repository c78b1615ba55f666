import {
  DEFAULT_TRIREME_NETWORKS,
  type Isolator,
  type Networks,
  noCollector,
  type SecretSuite,
} from '@trireme/core'
import type { NfqEnforcer } from '@trireme/enforcer-nfq'
import { DOCKER_NETWORKS } from './docker-networks.js'
import { loadPlugin } from './load-plugin.js'
import type { PresetOptions } from './preset-options.js'

export interface NfqIsolator extends Isolator {
  readonly enforcer: NfqEnforcer
}

/** Where PUs are enforced, and whether there are rules while there is no PU. */
export interface IsolatorPlace {
  readonly namespaces: 'own' | 'per-pu'
  readonly whileEmpty: 'installed' | 'absent'
  /** Whether containers are enforced at this host's bridges. */
  readonly expectsInterfaces: boolean
}

/** Makes enforcers and supervisors of one node, all of the same secrets and networks. */
export type NewIsolator = (place: IsolatorPlace) => NfqIsolator

/**
 * Loads NFQUEUE and iptables.
 * @throws TriremeError `ERR_PEER_DEPENDENCY`.
 */
export async function nfqIsolators(
  options: PresetOptions,
  [sending, ...accepted]: readonly [SecretSuite, ...SecretSuite[]],
  hasContainers: boolean,
): Promise<NewIsolator> {
  const { serverID, authorization = 'mutual', adopt = 'keep', generation = 0 } = options
  const {
    bind = 'strict',
    aliases = [],
    onPolicyChange = 'revoke',
    journal,
    collector = noCollector,
    onError,
    onDisturbance,
    processor,
  } = options
  const { nfqEnforcer } = await loadEnforcer()
  const { iptablesSupervisor } = await loadSupervisor()
  const networks = networksOf(options, hasContainers)
  return ({ namespaces, whileEmpty, expectsInterfaces }) => {
    const enforcer = nfqEnforcer({
      ...{ authorization, adopt, generation, namespaces, onPolicyChange, bind, aliases },
      ...(journal && { journal: journal(namespaces) }),
      ...(onError && { onError }),
    })({
      ...{ serverID, ...sending, accepted, collector, networks, ...(processor && { processor }) },
    })
    const filterQueue = () => enforcer.filterQueue()
    const supervisor = iptablesSupervisor({
      ...{ namespaces, whileEmpty, expectsInterfaces },
      ...(onDisturbance && { onDisturbance }),
    })({ serverID, filterQueue, networks })
    return { enforcer, supervisor }
  }
}

/** The enforcer's package. */
export function loadEnforcer() {
  return loadPlugin('@trireme/enforcer-nfq', () => import('@trireme/enforcer-nfq'))
}

/** The supervisor's package. */
export function loadSupervisor() {
  return loadPlugin('@trireme/supervisor-iptables', () => import('@trireme/supervisor-iptables'))
}

function networksOf(options: PresetOptions, hasContainers: boolean): Networks {
  const { networks, excludedNetworks = [], failsafePorts = [] } = options
  const usual = [...DEFAULT_TRIREME_NETWORKS, ...(hasContainers ? DOCKER_NETWORKS : [])]
  return { trireme: networks ?? usual, excluded: excludedNetworks, failsafe: failsafePorts }
}
