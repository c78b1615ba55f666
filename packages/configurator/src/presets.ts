import {
  DEFAULT_TRIREME_NETWORKS,
  type EventCollector,
  type Isolator,
  type Networks,
  newTrireme,
  noCollector,
  type PKIMaterial,
  type PolicyResolver,
  type PublicKeyAdder,
  pkiSecrets,
  prepopulatedPKISecrets,
  pskSecrets,
  type SecretSuite,
  type Secrets,
  type TokenEngine,
  type Trireme,
  TriremeError,
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

/** What presets for Linux processes have in common. */
export interface LinuxPresetOptions extends PresetOptions {
  /** Where the monitor keeps what must outlive the process. One Trireme per folder. */
  readonly stateDir: string
  /** Hears what concerns one PU and fails no call. */
  readonly onProblem?: (problem: MonitorProblem) => void
}

export interface LinuxOptions extends LinuxPresetOptions {
  /** What this node's identities are proved with; those behind the first are accepted besides. */
  readonly secrets: readonly Secrets[]
}

export interface PSKLinuxOptions extends LinuxPresetOptions {
  /** The pre-shared key, at least 16 bytes. Whoever holds it can claim any identity. */
  readonly key: Uint8Array
}

export interface PKILinuxOptions extends LinuxPresetOptions, PKIMaterial {
  /**
   * `on-the-wire` (default): the node's certificate travels in its records. `handed-out`: peers' certificates are given to the
   * preset's `publicKeyAdder`, so that records stay small. The same on all nodes.
   */
  readonly certificates?: 'on-the-wire' | 'handed-out'
}

/** What a preset wires for Linux processes. Nothing is started: `trireme.start()`, `monitor.start()`, `trireme.reconcile()`. */
export interface LinuxTrireme {
  readonly trireme: Trireme
  readonly monitor: LinuxCgroupMonitor
  readonly enforcer: NfqEnforcer
  /**
   * Replaces all that identities are proved with, while connections come about: the first secrets sign, all are accepted.
   * @throws TriremeError as `Trireme.updateSecrets` does.
   */
  updateSecrets(secrets: readonly Secrets[]): Promise<void>
}

export interface PKILinuxTrireme extends LinuxTrireme {
  /** Where certificates are handed out. */
  readonly publicKeyAdder?: PublicKeyAdder
}

/**
 * A Trireme that enforces Linux processes by NFQUEUE and iptables, its nodes trusting each other by a pre-shared key.
 * @throws TriremeError `ERR_PEER_DEPENDENCY` for a plugin that is not installed; what core and the plugins say of the options.
 */
export async function newPSKTriremeWithLinuxMonitor(options: PSKLinuxOptions): Promise<LinuxTrireme> {
  return newTriremeWithLinuxMonitor({ ...options, secrets: [pskSecrets({ key: options.key })] })
}

/**
 * The same where nodes trust each other by certificates of common authorities.
 * @throws TriremeError `ERR_PEER_DEPENDENCY`, `ERR_SECRET`; what core and the plugins say of the options.
 */
export async function newPKITriremeWithLinuxMonitor(options: PKILinuxOptions): Promise<PKILinuxTrireme> {
  const { keyPEM, certPEM, caCertPEM, certificates = 'on-the-wire' } = options
  const material = { keyPEM, certPEM, caCertPEM }
  if (certificates === 'on-the-wire') {
    return newTriremeWithLinuxMonitor({ ...options, secrets: [pkiSecrets(material)] })
  }
  const publicKeyAdder = prepopulatedPKISecrets(material)
  return { ...(await newTriremeWithLinuxMonitor({ ...options, secrets: [publicKeyAdder] })), publicKeyAdder }
}

/**
 * The same with any secrets, or with several while nodes migrate from one kind to another.
 * @throws TriremeError `ERR_PEER_DEPENDENCY`, `ERR_SECRET`; what core and the plugins say of the options.
 */
export async function newTriremeWithLinuxMonitor(options: LinuxOptions): Promise<LinuxTrireme> {
  const { serverID, resolver, stateDir, collector = noCollector, onProblem } = options
  const { linuxCgroupMonitor } = await loadPlugin(
    '@trireme/monitor-linux-cgroup',
    () => import('@trireme/monitor-linux-cgroup'),
  )
  const newSuites = (secrets: readonly Secrets[]) =>
    Promise.all(secrets.map(each => suiteOf(options.tokens ?? 'binary', each)))
  const isolator = await localIsolator(options, await newSuites(options.secrets))
  const trireme = newTrireme({ serverID, resolver, collector, isolators: { 'linux-process': isolator } })
  const monitor = linuxCgroupMonitor({ stateDir, name: serverID, ...(onProblem && { onProblem }) })({
    handler: trireme,
  })
  const updateSecrets = async (secrets: readonly Secrets[]) => trireme.updateSecrets(await newSuites(secrets))
  return { trireme, monitor, enforcer: isolator.enforcer, updateSecrets }
}

/** Enforces in the network namespace of this process. */
async function localIsolator(
  options: PresetOptions,
  [sending, ...accepted]: readonly SecretSuite[],
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
  if (!sending) throw new TriremeError('ERR_SECRET', 'secrets: an empty list, expected at least one')
  const enforcer = nfqEnforcer({ authorization, generation, ...(onError && { onError }) })({
    serverID,
    ...sending,
    accepted,
    collector,
    networks,
  })
  const filterQueue = () => enforcer.filterQueue()
  return { enforcer, supervisor: iptablesSupervisor({})({ serverID, filterQueue, networks }) }
}

async function suiteOf(tokens: 'binary' | 'jwt', secrets: Secrets): Promise<SecretSuite> {
  return { secrets, tokenEngine: await tokenEngineFor(tokens, secrets) }
}

async function tokenEngineFor(tokens: 'binary' | 'jwt', secrets: Secrets): Promise<TokenEngine> {
  if (tokens === 'jwt') {
    const { jwtTokens } = await loadPlugin('@trireme/tokens-jwt', () => import('@trireme/tokens-jwt'))
    return jwtTokens()({ secrets })
  }
  const { binaryTokens } = await loadPlugin('@trireme/tokens-binary', () => import('@trireme/tokens-binary'))
  return binaryTokens()({ secrets })
}
