import type { PublicKeyAdder, Secrets } from '@trireme/core'
import type { LinuxCgroupMonitor } from '@trireme/monitor-linux-cgroup'
import { newTriremeWithOptions, type WiredTrireme } from './new-trireme-with-options.js'
import type {
  AuthOptions,
  LinuxPresetOptions,
  PKIOptions,
  PresetOptions,
  PSKOptions,
} from './preset-options.js'
import { pkiAuth } from './secrets-of.js'

export interface LinuxOptions extends PresetOptions, LinuxPresetOptions {
  /** What this node's identities are proved with; those behind the first are accepted besides. */
  readonly secrets: readonly Secrets[]
}

export interface PSKLinuxOptions extends PresetOptions, LinuxPresetOptions, PSKOptions {}

export interface PKILinuxOptions extends PresetOptions, LinuxPresetOptions, PKIOptions {}

/** What a preset wires for Linux processes. Nothing is started: `trireme.start()`, `monitor.start()`, `trireme.reconcile()`. */
export interface LinuxTrireme extends WiredTrireme {
  readonly monitor: LinuxCgroupMonitor
}

export interface PKILinuxTrireme extends LinuxTrireme {
  readonly publicKeyAdder: PublicKeyAdder
}

/**
 * A Trireme that enforces Linux processes by NFQUEUE and iptables, its nodes trusting each other by a pre-shared key.
 * @throws TriremeError `ERR_PEER_DEPENDENCY` for a plugin that is not installed; what core and the plugins say of the options.
 */
export function newPSKTriremeWithLinuxMonitor(options: PSKLinuxOptions): Promise<LinuxTrireme> {
  return newLinuxTrireme(options, { key: options.key })
}

/**
 * The same where nodes trust each other by certificates of common authorities.
 * @throws TriremeError `ERR_PEER_DEPENDENCY`, `ERR_SECRET`; what core and the plugins say of the options.
 */
export async function newPKITriremeWithLinuxMonitor(options: PKILinuxOptions): Promise<PKILinuxTrireme> {
  const wired = await newLinuxTrireme(options, pkiAuth(options))
  return { ...wired, publicKeyAdder: wired.publicKeyAdder! }
}

/**
 * The same with any secrets, or with several while nodes migrate from one kind to another.
 * @throws TriremeError `ERR_PEER_DEPENDENCY`, `ERR_SECRET`; what core and the plugins say of the options.
 */
export function newTriremeWithLinuxMonitor(options: LinuxOptions): Promise<LinuxTrireme> {
  return newLinuxTrireme(options, { secrets: options.secrets })
}

async function newLinuxTrireme(
  options: PresetOptions & LinuxPresetOptions,
  auth: AuthOptions,
): Promise<LinuxTrireme> {
  const wired = await newTriremeWithOptions({ ...options, auth, monitors: { linux: options } })
  return { ...wired, monitor: wired.linuxMonitor }
}
