/**
 * Presets: a whole Trireme in one call. Plugins are optional peer dependencies; a preset says which it misses.
 *
 * ```ts
 * import { readFile } from 'node:fs/promises'
 * import { newPSKTriremeWithLinuxMonitor } from '@trireme/configurator'
 * import { loadPolicyFile, policyFileResolver } from '@trireme/policy-file'
 *
 * const serverID = 'host-a'
 * const document = await loadPolicyFile('policy.yaml')
 * const { trireme, monitor } = await newPSKTriremeWithLinuxMonitor({
 *   serverID,
 *   resolver: policyFileResolver({ document, authorization: 'mutual', serverID }),
 *   key: await readFile('psk'),
 *   stateDir: `/var/lib/trireme/${serverID}`,
 * })
 * await trireme.start()
 * await monitor.start()
 * await trireme.reconcile()
 * ```
 */

export {
  type LinuxOptions,
  type LinuxPresetOptions,
  type LinuxTrireme,
  newPKITriremeWithLinuxMonitor,
  newPSKTriremeWithLinuxMonitor,
  newTriremeWithLinuxMonitor,
  type PKILinuxOptions,
  type PKILinuxTrireme,
  type PresetOptions,
  type PSKLinuxOptions,
} from './presets.js'
