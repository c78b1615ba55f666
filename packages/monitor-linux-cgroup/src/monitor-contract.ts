import type { Monitor, ProcessingUnitsHandler, PUInfo, PURequestProcessor, PURuntime } from '@trireme/core'
import type { ProcessExtractor } from './process-extractor.js'
import type { RunRequest } from './run-request.js'

/** What went wrong with one PU while the others went on. */
export interface MonitorProblem {
  /**
   * `context-unreadable`: its file was set aside; a process that still runs is denied everything.
   * `not-enforced`: it runs and could not be enforced again; reconciling would set it free.
   * `not-watched`: its end, or what it listens on, is seen late. `not-removed`: something of an ended PU remains.
   * `ports-not-enforced`: it listens on a port that cannot be given to it.
   */
  readonly kind: 'context-unreadable' | 'not-enforced' | 'not-watched' | 'not-removed' | 'ports-not-enforced'
  readonly contextID: string
  readonly error: unknown
}

export interface LinuxCgroupMonitorOptions {
  /** Where contexts are kept; made with mode 0700. One monitor per folder. */
  readonly stateDir: string
  /** Tells monitors on one machine apart: the cgroups of this one lie in `trireme-NAME`. */
  readonly name: string
  /** A folder in a mounted cgroup2 or net_cls hierarchy. Default: what is mounted, v2 first, else a private mount. */
  readonly cgroupRoot?: string
  /** Hears what does not fail a call. Must not throw. */
  readonly onProblem?: (problem: MonitorProblem) => void
  /** Milliseconds between two looks for ended PUs. Default 500 with net_cls, whose kernel tells nothing, 5000 with v2. */
  readonly pollMs?: number
  /** Milliseconds between two looks at what PUs listen on. Default 500. */
  readonly portPollMs?: number
  /** PUs that each user beside root may have over a control socket at a time. Default 256. */
  readonly maxPUsPerUser?: number
  /** Default `factExtractor()`. */
  readonly extractor?: ProcessExtractor
}

/** What the monitor calls. */
export interface LinuxCgroupMonitorComponents {
  readonly handler: ProcessingUnitsHandler
  /** All PUs of the host: users get no process out of one that another monitor made. Default: this monitor's alone are known. */
  readonly puInfos?: () => readonly PUInfo[]
}

/** A PU that runs. */
export interface MonitoredPU {
  readonly contextID: string
  readonly runtime: PURuntime
}

/**
 * Makes PUs of Linux processes, each in a cgroup of its own, which its children inherit. A PU ends when its cgroup is empty.
 * `start` enforces again what an earlier process left running; `stop` leaves PUs running and enforced.
 */
export interface LinuxCgroupMonitor extends Monitor, PURequestProcessor {
  /**
   * Resolves when the process is in its cgroup and enforced. If it rejects, the process is where it was and nothing is left.
   * @throws RangeError, TriremeError for a request that cannot be met; what the handler rejected with.
   */
  run(request: RunRequest): Promise<{ readonly contextID: string }>
  /**
   * Lets a process leave its PU for where that came from, if it is in one of this kind. What it has started stays.
   * @throws KernelError where the kernel refuses.
   */
  dismiss(pid: number): Promise<void>
  /** Which hierarchy tells PUs apart, between `start` and `stop`. */
  hierarchy(): 'v2' | 'net-cls'
  list(): readonly MonitoredPU[]
  /** Ends all PUs, whose processes run on where they came from, and removes all cgroups and state. Stops the monitor. */
  uninstall(): Promise<void>
}
