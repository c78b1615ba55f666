import {
  DEFAULT_TRIREME_NETWORKS,
  type EventCollector,
  type Isolator,
  type Networks,
  newTrireme,
  noCollector,
  type PolicyResolver,
  pskSecrets,
  type Secrets,
  type TokenEngine,
  type Trireme,
} from '@trireme/core'
import type { NfqEnforcer } from '@trireme/enforcer-nfq'
import type { LinuxCgroupMonitor, MonitorProblem } from '@trireme/monitor-linux-cgroup'
import { loadPlugin } from './load-plugin.js'

/** How PUs of this node find, trust and judge each other. */
export interface PresetOptions {
  /** The node's name: the issuer of its PUs' identities. */
  readonly serverID: string
  readonly resolver: PolicyResolver
  /** How identities are encoded; the same on all nodes. Default `binary`. */
  readonly tokens?: 'binary' | 'jwt'
  /** `mutual` (default): the PU that connects decides over the other, too. */
  readonly authorization?: 'mutual' | 'receiver'
  /** CIDRs in which peers are expected to carry an identity. Default `DEFAULT_TRIREME_NETWORKS`. */
  readonly networks?: readonly string[]
  /** CIDRs that are not looked at. Default none. */
  readonly excludedNetworks?: readonly string[]
  /** Differs from the previous start's: a counter kept in the state directory, say. Default 0. */
  readonly generation?: number
  /** Default: nobody listens. */
  readonly collector?: EventCollector
  /** Hears of the enforcer's errors that concern no single call. */
  readonly onError?: (error: unknown) => void
}

export interface PSKLinuxOptions extends PresetOptions {
  /** The pre-shared key, at least 16 bytes. Whoever holds it can claim any identity. */
  readonly key: Uint8Array
  /** Where the monitor keeps what must outlive the process. One Trireme per folder. */
  readonly stateDir: string
  /** Hears what concerns one PU and fails no call. */
  readonly onProblem?: (problem: MonitorProblem) => void
}

/** What a preset wires for Linux processes. Nothing is started: `trireme.start()`, `monitor.start()`, `trireme.reconcile()`. */
export interface LinuxTrireme {
  readonly trireme: Trireme
  readonly monitor: LinuxCgroupMonitor
  readonly enforcer: NfqEnforcer
}

/**
 * A Trireme that enforces Linux processes by NFQUEUE and iptables, its nodes trusting each other by a pre-shared key.
 * @throws TriremeError `ERR_PEER_DEPENDENCY` for a plugin that is not installed; what core and the plugins say of the options.
 */
export async function newPSKTriremeWithLinuxMonitor(options: PSKLinuxOptions): Promise<LinuxTrireme> {
  const { serverID, resolver, key, stateDir, collector = noCollector, onProblem } = options
  const { linuxCgroupMonitor } = await loadPlugin(
    '@trireme/monitor-linux-cgroup',
    () => import('@trireme/monitor-linux-cgroup'),
  )
  const isolator = await localIsolator(options, pskSecrets({ key }))
  const trireme = newTrireme({ serverID, resolver, collector, isolators: { 'linux-process': isolator } })
  const monitor = linuxCgroupMonitor({ stateDir, name: serverID, ...(onProblem && { onProblem }) })({
    handler: trireme,
  })
  return { trireme, monitor, enforcer: isolator.enforcer }
}

/** Enforces in the network namespace of this process. */
async function localIsolator(
  options: PresetOptions,
  secrets: Secrets,
): Promise<Isolator & { readonly enforcer: NfqEnforcer }> {
  const { serverID, authorization = 'mutual', generation = 0, collector = noCollector, onError } = options
  const { nfqEnforcer } = await loadPlugin('@trireme/enforcer-nfq', () => import('@trireme/enforcer-nfq'))
  const { iptablesSupervisor } = await loadPlugin(
    '@trireme/supervisor-iptables',
    () => import('@trireme/supervisor-iptables'),
  )
  const networks: Networks = {
    trireme: options.networks ?? DEFAULT_TRIREME_NETWORKS,
    excluded: options.excludedNetworks ?? [],
  }
  const tokenEngine = await tokenEngineFor(options.tokens ?? 'binary', secrets)
  const enforcer = nfqEnforcer({ authorization, generation, ...(onError && { onError }) })({
    serverID,
    tokenEngine,
    secrets,
    collector,
    networks,
  })
  const filterQueue = () => enforcer.filterQueue()
  return { enforcer, supervisor: iptablesSupervisor({})({ serverID, filterQueue, networks }) }
}

async function tokenEngineFor(tokens: 'binary' | 'jwt', secrets: Secrets): Promise<TokenEngine> {
  if (tokens === 'jwt') {
    const { jwtTokens } = await loadPlugin('@trireme/tokens-jwt', () => import('@trireme/tokens-jwt'))
    return jwtTokens()({ secrets })
  }
  const { binaryTokens } = await loadPlugin('@trireme/tokens-binary', () => import('@trireme/tokens-binary'))
  return binaryTokens()({ secrets })
}
