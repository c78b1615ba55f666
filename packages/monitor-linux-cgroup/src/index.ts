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
export {
  type LinuxCgroupMonitor,
  type LinuxCgroupMonitorComponents,
  type LinuxCgroupMonitorOptions,
  linuxCgroupMonitor,
  type MonitoredPU,
  type MonitorProblem,
} from './linux-cgroup-monitor.js'
export { type ProcessFacts, readProcessFacts } from './process-facts.js'
export type { RunRequest } from './run-request.js'
