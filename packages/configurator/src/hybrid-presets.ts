import type { CompactPKIMaterial, PublicKeyAdder } from '@trireme/core'
import type { DockerMonitor } from '@trireme/monitor-docker'
import type { LinuxCgroupMonitor } from '@trireme/monitor-linux-cgroup'
import { newTriremeWithOptions, type WiredTrireme } from './new-trireme-with-options.js'
import type {
  DockerPresetOptions,
  LinuxPresetOptions,
  PKIOptions,
  PresetOptions,
  PSKOptions,
} from './preset-options.js'
import { compactPKIAuth, pkiAuth } from './secrets-of.js'

/** Containers and Linux processes on one node. */
export interface HybridOptions extends PresetOptions {
  readonly docker?: DockerPresetOptions
  readonly linux: LinuxPresetOptions
}

/** Nothing is started: `trireme.start()`, both monitors' `start()`, `trireme.reconcile()`. */
export interface HybridTrireme extends WiredTrireme {
  readonly dockerMonitor: DockerMonitor
  readonly linuxMonitor: LinuxCgroupMonitor
}

export interface PKIHybridTrireme extends HybridTrireme {
  readonly publicKeyAdder: PublicKeyAdder
}

/**
 * A Trireme that enforces containers and Linux processes, its nodes trusting each other by a pre-shared key.
 * @throws TriremeError `ERR_PEER_DEPENDENCY` for a plugin that is not installed; what core and the plugins say of the options.
 */
export function newPSKHybridTriremeWithMonitor(options: HybridOptions & PSKOptions): Promise<HybridTrireme> {
  const { key, docker = {}, linux } = options
  return newTriremeWithOptions({ ...options, auth: { key }, monitors: { docker, linux } })
}

/**
 * The same where nodes trust each other by certificates of common authorities.
 * @throws TriremeError `ERR_PEER_DEPENDENCY`, `ERR_SECRET`; what core and the plugins say of the options.
 */
export async function newPKIHybridTriremeWithMonitor(
  options: HybridOptions & PKIOptions,
): Promise<PKIHybridTrireme> {
  const { docker = {}, linux } = options
  const wired = await newTriremeWithOptions({
    ...options,
    auth: pkiAuth(options),
    monitors: { docker, linux },
  })
  return { ...wired, publicKeyAdder: wired.publicKeyAdder! }
}

/**
 * The same where authorities vouch for nodes by short statements.
 * @throws TriremeError `ERR_PEER_DEPENDENCY`, `ERR_SECRET`; what core and the plugins say of the options.
 */
export function newHybridCompactPKIWithDocker(
  options: HybridOptions & CompactPKIMaterial,
): Promise<HybridTrireme> {
  const { docker = {}, linux } = options
  return newTriremeWithOptions({ ...options, auth: compactPKIAuth(options), monitors: { docker, linux } })
}
