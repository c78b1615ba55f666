/**
 * Presets: a whole Trireme in one call. Plugins are optional peer dependencies; a preset says which it misses.
 *
 * ```ts
 * import { readFile } from 'node:fs/promises'
 * import { newPSKTriremeWithDockerMonitor } from '@trireme/configurator'
 * import { loadPolicyFile, policyFileResolver } from '@trireme/policy-file'
 *
 * const serverID = 'host-a'
 * const document = await loadPolicyFile('policy.yaml')
 * const resolver = policyFileResolver({ document, authorization: 'mutual', serverID })
 * const key = await readFile('psk')
 * const { trireme, monitor } = await newPSKTriremeWithDockerMonitor({ serverID, resolver, key })
 * await trireme.start()
 * await monitor.start()
 * await trireme.reconcile()
 * ```
 */

export { DOCKER_NETWORKS } from './docker-networks.js'
export {
  type CompactPKIDockerOptions,
  type DockerTrireme,
  newCompactPKIWithDocker,
  newPKITriremeWithDockerMonitor,
  newPSKTriremeWithDockerMonitor,
  type PKIDockerOptions,
  type PKIDockerTrireme,
  type PSKDockerOptions,
} from './docker-presets.js'
export {
  type HybridOptions,
  type HybridTrireme,
  newHybridCompactPKIWithDocker,
  newPKIHybridTriremeWithMonitor,
  newPSKHybridTriremeWithMonitor,
  type PKIHybridTrireme,
} from './hybrid-presets.js'
export {
  type LinuxOptions,
  type LinuxTrireme,
  newPKITriremeWithLinuxMonitor,
  newPSKTriremeWithLinuxMonitor,
  newTriremeWithLinuxMonitor,
  type PKILinuxOptions,
  type PKILinuxTrireme,
  type PSKLinuxOptions,
} from './linux-presets.js'
export {
  type MonitorsOptions,
  type NewTriremeOptions,
  newTriremeWithOptions,
  type WiredMonitors,
  type WiredTrireme,
} from './new-trireme-with-options.js'
export type {
  AuthOptions,
  DockerPresetOptions,
  LinuxPresetOptions,
  PKIOptions,
  PresetOptions,
  PSKOptions,
} from './preset-options.js'
