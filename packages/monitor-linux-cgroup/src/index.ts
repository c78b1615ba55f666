/**
 * Monitor for Linux processes: each PU lives in a cgroup of its own.
 *
 * ```ts
 * import { linuxCgroupMonitor } from '@trireme/monitor-linux-cgroup'
 *
 * const monitor = linuxCgroupMonitor({ stateDir: '/var/lib/my-daemon', name: 'my-daemon' })({ handler: trireme })
 * await monitor.start()
 * await monitor.run({ pid, name: 'web', tags: [{ key: 'app', value: 'web' }], ports: [{ first: 80, last: 80 }] })
 * ```
 */
export { linuxCgroupMonitor } from './linux-cgroup-monitor.js'
export type {
  LinuxCgroupMonitor,
  LinuxCgroupMonitorComponents,
  LinuxCgroupMonitorOptions,
  MonitoredPU,
  MonitorProblem,
} from './monitor-contract.js'
export {
  type ExtractedProcess,
  factExtractor,
  type ProcessExtractor,
  type ProcessPU,
} from './process-extractor.js'
export { type ProcessFacts, readProcessFacts } from './process-facts.js'
export type { RunRequest, RunScope } from './run-request.js'
