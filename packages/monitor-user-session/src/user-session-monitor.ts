import {
  assertMethods,
  assertText,
  type Factory,
  isReservedTagKey,
  type Monitor,
  type PortRange,
  type ProcessingUnitsHandler,
  type PUCaller,
  type PURequest,
  type PURequestProcessor,
  type Tags,
  TriremeError,
} from '@trireme/core'
import { OwnerSessions } from './owner-sessions.js'
import { readSession } from './read-session.js'
import { type SessionExtractor, sessionTags } from './session-extractor.js'

/** Who makes PUs of processes by cgroup: the monitor of Linux processes does. */
export interface SessionProcesses {
  /** Which sockets the firewall finds: with `v2` those that are made from now on. */
  hierarchy(): 'v2' | 'net-cls'
  run(request: {
    readonly pid: number
    readonly name: string
    readonly tags: Tags
    /** What the host vouches for, under reserved keys. */
    readonly facts: Tags
    readonly ports: readonly PortRange[]
    readonly kind: 'user-session'
  }): Promise<{ readonly contextID: string }>
  /** Lets one process go back to where it came from. */
  dismiss(pid: number): Promise<void>
}

export interface SessionProblem {
  readonly contextID: string
  readonly error: unknown
}

export interface UserSessionMonitorOptions {
  /** Where users are kept who are told by the owner of their sockets; made with mode 0700. */
  readonly stateDir: string
  /** Default `sessionTags`. */
  readonly extractor?: SessionExtractor
  /**
   * How sessions are told apart. `cgroup`: each is a PU. `owner`: all of a user are one. `auto` (default): by cgroup v2, else by
   * owner; net_cls also finds the sockets from before, that by which the user logged in among them, and would cut it.
   */
  readonly match?: 'auto' | 'cgroup' | 'owner'
  /** Milliseconds between two looks for users without processes. Default 5,000. */
  readonly pollMs?: number
  /** Hears what fails no call. */
  readonly onProblem?: (problem: SessionProblem) => void
}

export interface UserSessionMonitorComponents {
  readonly handler: ProcessingUnitsHandler
  /** Absent: sessions are told by owner. */
  readonly processes?: SessionProcesses
}

/**
 * Makes PUs of login sessions. `start` with the options `user` and `service` (and `tty`, `remoteHost`) and the process that opens
 * the session: what that starts from then on is the session's. `stop` with the same process: it leaves the session, which goes on
 * until its last process has ended. Only root may tell.
 */
export interface UserSessionMonitor extends Monitor, PURequestProcessor {
  /** Ends the PUs that are told by owner and removes their state. Stops the monitor. */
  uninstall(): Promise<void>
}

export function userSessionMonitor(
  options: UserSessionMonitorOptions,
): Factory<UserSessionMonitorComponents, UserSessionMonitor> {
  assertText('stateDir', options?.stateDir)
  return components => {
    assertMethods('handler', components?.handler, ['setPURuntime', 'handlePUEvent'])
    return new SessionMonitor(options, components)
  }
}

class SessionMonitor implements UserSessionMonitor {
  readonly #options: UserSessionMonitorOptions
  readonly #processes: SessionProcesses | undefined
  readonly #owners: OwnerSessions
  #isStarted = false

  constructor(options: UserSessionMonitorOptions, { handler, processes }: UserSessionMonitorComponents) {
    this.#options = options
    this.#processes = processes
    this.#owners = new OwnerSessions(handler, options.stateDir, (contextID, error) =>
      options.onProblem?.({ contextID, error }),
    )
  }

  async start(): Promise<void> {
    if (this.#isStarted) throw new TriremeError('ERR_ALREADY_STARTED', 'the monitor has been started already')
    this.#isStarted = true
    try {
      await this.#owners.start(this.#options.pollMs ?? 5000)
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    this.#isStarted = false
    await this.#owners.stop()
  }

  async uninstall(): Promise<void> {
    this.#isStarted = false
    await this.#owners.uninstall()
  }

  async handleRequest(request: PURequest, caller: PUCaller): Promise<{ readonly contextID: string }> {
    if (!this.#isStarted) throw new TriremeError('ERR_NOT_STARTED', 'the monitor of sessions is not running')
    if (caller.uid !== 0)
      throw new TriremeError('ERR_NOT_PERMITTED', 'user sessions: only root may tell of them')
    const { event, pid, contextID = '' } = request
    if (pid === undefined)
      throw new TypeError('pid: missing, expected the process that opens or closes the session')
    if (event === 'start') return { contextID: await this.#open(request, pid) }
    if (event !== 'stop') throw new TypeError(`event ${event}: a session has start and stop`)
    await this.#cgroups()?.dismiss(pid)
    return { contextID }
  }

  async #open(request: PURequest, pid: number): Promise<string> {
    const session = await readSession(request)
    const tags = await (this.#options.extractor ?? sessionTags)(session)
    const { user, uid, service } = session
    const name = `${user}-${service}`.replaceAll('/', '-')
    const processes = this.#cgroups()
    if (!processes) return this.#owners.open(uid, user, tags)
    const facts = tags.filter(({ key }) => isReservedTagKey(key))
    const own = tags.filter(({ key }) => !isReservedTagKey(key))
    return (await processes.run({ pid, name, tags: own, facts, ports: [], kind: 'user-session' })).contextID
  }

  #cgroups(): SessionProcesses | undefined {
    const { match = 'auto' } = this.#options
    if (match === 'owner') return undefined
    return match === 'cgroup' || this.#processes?.hierarchy() === 'v2' ? this.#processes : undefined
  }
}
