import type { CompactPKIMaterial, PublicKeyAdder } from '@trireme/core'
import type { DockerMonitor } from '@trireme/monitor-docker'
import { newTriremeWithOptions, type WiredTrireme } from './new-trireme-with-options.js'
import type {
  AuthOptions,
  DockerPresetOptions,
  PKIOptions,
  PresetOptions,
  PSKOptions,
} from './preset-options.js'
import { compactPKIAuth, pkiAuth } from './secrets-of.js'

export interface PSKDockerOptions extends PresetOptions, DockerPresetOptions, PSKOptions {}

export interface PKIDockerOptions extends PresetOptions, DockerPresetOptions, PKIOptions {}

export interface CompactPKIDockerOptions extends PresetOptions, DockerPresetOptions, CompactPKIMaterial {}

/** What a preset wires for containers. Nothing is started: `trireme.start()`, `monitor.start()`, `trireme.reconcile()`. */
export interface DockerTrireme extends WiredTrireme {
  readonly monitor: DockerMonitor
}

export interface PKIDockerTrireme extends DockerTrireme {
  readonly publicKeyAdder: PublicKeyAdder
}

/**
 * A Trireme that enforces containers by NFQUEUE and iptables, its nodes trusting each other by a pre-shared key.
 * @throws TriremeError `ERR_PEER_DEPENDENCY` for a plugin that is not installed; what core and the plugins say of the options.
 */
export function newPSKTriremeWithDockerMonitor(options: PSKDockerOptions): Promise<DockerTrireme> {
  return newDockerTrireme(options, { key: options.key })
}

/**
 * The same where nodes trust each other by certificates of common authorities.
 * @throws TriremeError `ERR_PEER_DEPENDENCY`, `ERR_SECRET`; what core and the plugins say of the options.
 */
export async function newPKITriremeWithDockerMonitor(options: PKIDockerOptions): Promise<PKIDockerTrireme> {
  const wired = await newDockerTrireme(options, pkiAuth(options))
  return { ...wired, publicKeyAdder: wired.publicKeyAdder! }
}

/**
 * The same where authorities vouch for nodes by short statements.
 * @throws TriremeError `ERR_PEER_DEPENDENCY`, `ERR_SECRET`; what core and the plugins say of the options.
 */
export function newCompactPKIWithDocker(options: CompactPKIDockerOptions): Promise<DockerTrireme> {
  return newDockerTrireme(options, compactPKIAuth(options))
}

async function newDockerTrireme(
  options: PresetOptions & DockerPresetOptions,
  auth: AuthOptions,
): Promise<DockerTrireme> {
  const wired = await newTriremeWithOptions({ ...options, auth, monitors: { docker: options } })
  return { ...wired, monitor: wired.dockerMonitor }
}
