import { join } from 'node:path'
import {
  type Factory,
  type Monitor,
  type ProcessingUnitsHandler,
  type PURuntime,
  runAll,
  TriremeError,
} from '@trireme/core'
import { activate } from './activate.js'
import { isContextID } from './context-id.js'
import { ContextStore, type StoredContext, type UnreadableContext } from './context-store.js'
import { EmptinessWatch } from './emptiness-watch.js'
import { cgroupFolderName } from './folder-name.js'
import { closeCgroupMount, openCgroupMount } from './open-cgroup-mount.js'
import { PUCgroups } from './pu-cgroups.js'
import type { RunRequest } from './run-request.js'

/** What went wrong with one PU while the others went on. */
export interface MonitorProblem {
  /**
   * `context-unreadable`: its file was set aside; a process that still runs is denied everything.
   * `not-enforced`: it runs and could not be enforced again; reconciling would set it free.
   * `not-watched`: its end is seen late. `not-removed`: something of an ended PU remains.
   */
  readonly kind: 'context-unreadable' | 'not-enforced' | 'not-watched' | 'not-removed'
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
}

/** What the monitor calls. */
export interface LinuxCgroupMonitorComponents {
  readonly handler: ProcessingUnitsHandler
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
export interface LinuxCgroupMonitor extends Monitor {
  /**
   * Resolves when the process is in its cgroup and enforced. If it rejects, the process is where it was and nothing is left.
   * @throws RangeError, TriremeError for a request that cannot be met; what the handler rejected with.
   */
  run(request: RunRequest): Promise<{ readonly contextID: string }>
  list(): readonly MonitoredPU[]
  /** Ends all PUs, whose processes run on where they came from, and removes all cgroups and state. Stops the monitor. */
  uninstall(): Promise<void>
}

/** Processes as PUs by cgroup v2 path, or by cgroup v1 net_cls class where there is no v2. */
export function linuxCgroupMonitor(
  options: LinuxCgroupMonitorOptions,
): Factory<LinuxCgroupMonitorComponents, LinuxCgroupMonitor> {
  return components => new CgroupMonitor(options, components)
}

/** What exists between `start` and `stop`. */
interface Running {
  readonly cgroups: PUCgroups
  readonly watch: EmptinessWatch
}

class CgroupMonitor implements LinuxCgroupMonitor {
  readonly #options: LinuxCgroupMonitorOptions
  readonly #handler: ProcessingUnitsHandler
  readonly #store: ContextStore
  readonly #pus = new Map<string, StoredContext>()
  /** Activations and endings under way, which `stop` waits for. */
  readonly #pending = new Set<Promise<unknown>>()
  #running: Running | undefined

  constructor(options: LinuxCgroupMonitorOptions, components: LinuxCgroupMonitorComponents) {
    this.#options = options
    this.#handler = components.handler
    this.#store = new ContextStore(join(options.stateDir, 'pus'))
  }

  async start(): Promise<void> {
    if (this.#running) throw new TriremeError('ERR_ALREADY_STARTED', 'the monitor has been started already')
    const cgroups = await this.#openCgroups()
    const running = { cgroups, watch: this.#newWatch(cgroups) }
    this.#running = running
    try {
      const { contexts, unreadable } = await this.#store.open()
      await Promise.all([
        ...contexts.map(context => this.#resume(running, context)),
        ...unreadable.map(file => this.#standIn(running, file)),
      ])
    } catch (error) {
      await runAll([() => Promise.reject(error), () => this.stop()])
    }
  }

  async stop(): Promise<void> {
    const mount = this.#running?.cgroups.mount
    await this.#quiesce()
    if (mount) await closeCgroupMount(mount, this.#options.stateDir)
  }

  async run(request: RunRequest): Promise<{ readonly contextID: string }> {
    const running = this.#running
    if (!running) throw new TriremeError('ERR_NOT_STARTED', 'the monitor is not running')
    const components = { handler: this.#handler, store: this.#store, cgroups: running.cgroups }
    const activation = activate(components, request).then(context => this.#follow(running, context))
    return { contextID: await this.#track(activation) }
  }

  list(): readonly MonitoredPU[] {
    return [...this.#pus.values()].map(({ contextID, runtime }) => ({ contextID, runtime }))
  }

  async uninstall(): Promise<void> {
    const enforced = await this.#quiesce()
    const { contexts } = await this.#store.open()
    const cgroups = await this.#openCgroups()
    const origins = new Map(contexts.map(context => [context.contextID, context.origin]))
    const contextIDs = new Set([...origins.keys(), ...(await cgroups.list())])
    await runAll([
      ...enforced.flatMap(({ contextID }) => this.#farewell(contextID)),
      ...[...contextIDs].map(contextID => async () => {
        await cgroups.evacuate(contextID, origins.get(contextID) ?? '')
        await cgroups.remove(contextID)
      }),
      () => cgroups.close(),
      () => closeCgroupMount(cgroups.mount, this.#options.stateDir),
      () => this.#store.destroy(),
    ])
  }

  async #openCgroups(): Promise<PUCgroups> {
    const mount = await openCgroupMount(this.#options)
    const cgroups = new PUCgroups(mount, cgroupFolderName(this.#options.name))
    try {
      await cgroups.open()
    } catch (error) {
      await runAll([() => Promise.reject(error), () => closeCgroupMount(mount, this.#options.stateDir)])
    }
    return cgroups
  }

  #newWatch(cgroups: PUCgroups): EmptinessWatch {
    return new EmptinessWatch({
      isEmpty: async contextID => !(await cgroups.isPopulated(contextID)),
      onEmpty: contextID => void this.#track(this.#end(cgroups, contextID)),
      onError: (contextID, error) => this.#report({ kind: 'not-watched', contextID, error }),
      pollMs: this.#options.pollMs ?? (cgroups.mount.version === 'v2' ? 5000 : 500),
    })
  }

  /** Enforces a PU again that an earlier process left behind, if it still runs. */
  async #resume(running: Running, context: StoredContext): Promise<void> {
    const { contextID } = context
    const { cgroups, watch } = running
    if (!(await cgroups.isPopulated(contextID))) return this.#clear(cgroups, contextID)
    try {
      const runtime = { ...context.runtime, isolation: await cgroups.isolation(contextID) }
      this.#handler.setPURuntime(contextID, runtime)
      await this.#handler.handlePUEvent(contextID, 'start')
      this.#follow(running, { ...context, runtime })
    } catch (error) {
      this.#report({ kind: 'not-enforced', contextID, error })
      watch.add(contextID, cgroups.eventsFile(contextID))
    }
  }

  /** A process whose identity was lost must not become free: it goes on as a PU without tags and ports. */
  async #standIn(running: Running, { contextID, error }: UnreadableContext): Promise<void> {
    this.#report({ kind: 'context-unreadable', contextID, error })
    if (!isContextID(contextID) || !(await running.cgroups.isPopulated(contextID))) return
    const isolation = await running.cgroups.isolation(contextID)
    const runtime = { kind: 'linux-process', name: contextID, tags: [], ports: [], isolation } as const
    await this.#store.write({ contextID, runtime, origin: '' })
    await this.#resume(running, { contextID, runtime, origin: '' })
  }

  #follow({ cgroups, watch }: Running, context: StoredContext): string {
    this.#pus.set(context.contextID, context)
    watch.add(context.contextID, cgroups.eventsFile(context.contextID))
    return context.contextID
  }

  /** The rules go before the cgroup that they name: a rule that names a vanished cgroup cannot be restored. */
  async #end(cgroups: PUCgroups, contextID: string): Promise<void> {
    const wasEnforced = this.#pus.delete(contextID)
    try {
      const farewell = wasEnforced ? this.#farewell(contextID) : []
      await runAll([...farewell, () => this.#clear(cgroups, contextID)])
    } catch (error) {
      this.#report({ kind: 'not-removed', contextID, error })
    }
  }

  #farewell(contextID: string): readonly (() => Promise<void>)[] {
    return (['stop', 'destroy'] as const).map(event => () => this.#handler.handlePUEvent(contextID, event))
  }

  async #clear(cgroups: PUCgroups, contextID: string): Promise<void> {
    await cgroups.remove(contextID)
    await this.#store.remove(contextID)
  }

  /** Takes no more requests, waits for what is under way, and answers with the PUs that stay enforced. */
  async #quiesce(): Promise<readonly StoredContext[]> {
    const running = this.#running
    this.#running = undefined
    await Promise.allSettled(this.#pending)
    running?.watch.close()
    await Promise.allSettled(this.#pending)
    const enforced = [...this.#pus.values()]
    this.#pus.clear()
    return enforced
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#pending.add(work)
    try {
      return await work
    } finally {
      this.#pending.delete(work)
    }
  }

  #report(problem: MonitorProblem): void {
    this.#options.onProblem?.(problem)
  }
}
