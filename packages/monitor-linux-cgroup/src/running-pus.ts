import { type KeyedQueue, type ProcessingUnitsHandler, type PURuntime, runAll } from '@trireme/core'
import { isContextID } from './context-id.js'
import type { ContextStore, StoredContext, UnreadableContext } from './context-store.js'
import { effectivePorts } from './effective-ports.js'
import { EmptinessWatch } from './emptiness-watch.js'
import type { MonitorProblem } from './monitor-contract.js'
import { PortWatch } from './port-watch.js'
import { readCgroupOf } from './process-facts.js'
import type { PUCgroups } from './pu-cgroups.js'

export interface RunningPUsOptions {
  readonly cgroups: PUCgroups
  readonly handler: ProcessingUnitsHandler
  readonly store: ContextStore
  /** What happens to one PU happens one after another. */
  readonly queue: KeyedQueue
  readonly pollMs: number
  readonly portPollMs: number
  readonly report: (problem: MonitorProblem) => void
}

/** The PUs that run, between a monitor's start and stop: watched until their last process has ended, and for what they listen on. */
export class RunningPUs {
  readonly cgroups: PUCgroups
  readonly #options: RunningPUsOptions
  readonly #pus = new Map<string, StoredContext>()
  readonly #watch: EmptinessWatch
  readonly #ports: PortWatch
  #isClosed = false

  constructor(options: RunningPUsOptions) {
    const { cgroups, queue, report } = options
    this.#options = options
    this.cgroups = cgroups
    const onError = (contextID: string, error: unknown) => report({ kind: 'not-watched', contextID, error })
    this.#watch = new EmptinessWatch({
      isEmpty: async contextID => !(await cgroups.isPopulated(contextID)),
      onEmpty: contextID => void queue.run(contextID, () => this.#endIfEmpty(contextID)),
      onError,
      pollMs: options.pollMs,
    })
    this.#ports = new PortWatch({
      processesOf: contextID => cgroups.processes(contextID),
      onPorts: (contextID, ports) => queue.run(contextID, () => this.#openPorts(contextID, ports)),
      onError,
      pollMs: options.portPollMs,
    })
  }

  get(contextID: string): StoredContext | undefined {
    return this.#pus.get(contextID)
  }

  all(): readonly StoredContext[] {
    return [...this.#pus.values()]
  }

  /** The PU in which a process is. */
  async ofProcess(pid: number): Promise<StoredContext | undefined> {
    const path = await readCgroupOf(pid, this.cgroups.mount.version)
    return this.all().find(({ contextID }) => {
      const own = this.cgroups.kernelPath(contextID)
      return path === own || path?.startsWith(`${own}/`)
    })
  }

  /** From now on the PU's end is seen, and what it listens on. */
  follow(context: StoredContext): void {
    const { contextID } = context
    this.#pus.set(contextID, context)
    this.#watchEnd(contextID)
    if (!this.#isClosed) this.#ports.add(contextID)
  }

  /** Whether the PU was followed. */
  unfollow(contextID: string): boolean {
    this.#watch.remove(contextID)
    this.#ports.remove(contextID)
    return this.#pus.delete(contextID)
  }

  /** Looks at once for what PUs listen on. */
  lookAnew(): Promise<void> {
    return this.#ports.lookAnew()
  }

  /** Enforces a PU again that an earlier process left behind, if it still runs. */
  async resume(context: StoredContext): Promise<void> {
    const { contextID, borrowed } = context
    const { handler, report } = this.#options
    if (borrowed !== undefined) this.cgroups.borrow(contextID, borrowed)
    if (!(await this.cgroups.isPopulated(contextID))) return this.clear(contextID)
    try {
      const isByPorts = context.runtime.isolation.by === 'ports'
      const isolation = isByPorts ? context.runtime.isolation : await this.cgroups.isolation(contextID)
      const runtime = { ...context.runtime, isolation }
      handler.setPURuntime(contextID, runtime)
      await handler.handlePUEvent(contextID, 'start')
      this.follow({ ...context, runtime })
    } catch (error) {
      report({ kind: 'not-enforced', contextID, error })
      this.#watchEnd(contextID)
    }
  }

  /** A process whose identity was lost must not become free: it goes on as a PU without tags and ports. */
  async standIn({ contextID, error }: UnreadableContext): Promise<void> {
    const { store, report } = this.#options
    report({ kind: 'context-unreadable', contextID, error })
    if (!isContextID(contextID) || !(await this.cgroups.isPopulated(contextID))) return
    const isolation = await this.cgroups.isolation(contextID)
    const runtime = { kind: 'linux-process', name: contextID, tags: [], ports: [], isolation } as const
    const portPlan = { declared: [], discover: false }
    const context = { contextID, runtime, portPlan, owner: 0, origin: '' }
    await store.write(context)
    await this.resume(context)
  }

  /** The rules go before the cgroup that they name: a rule that names a vanished cgroup cannot be restored. */
  async end(contextID: string): Promise<void> {
    const wasEnforced = this.unfollow(contextID)
    try {
      const farewell = wasEnforced ? this.farewell(contextID) : []
      await runAll([...farewell, () => this.clear(contextID)])
    } catch (error) {
      this.#options.report({ kind: 'not-removed', contextID, error })
    }
  }

  farewell(contextID: string): readonly (() => Promise<void>)[] {
    const { handler } = this.#options
    return (['stop', 'destroy'] as const).map(event => () => handler.handlePUEvent(contextID, event))
  }

  /** Nothing of the PU is left, in the kernel or on disk. */
  async clear(contextID: string): Promise<void> {
    await this.cgroups.remove(contextID)
    await this.#options.store.remove(contextID)
  }

  /** Watches no more. The PUs stay enforced. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#ports.close()
    this.#watch.close()
  }

  #watchEnd(contextID: string): void {
    if (!this.#isClosed) this.#watch.add(contextID, this.cgroups.eventsFile(contextID))
  }

  /** Between the look and now the PU may have been made anew. */
  async #endIfEmpty(contextID: string): Promise<void> {
    if (await this.cgroups.isPopulated(contextID)) this.#watchEnd(contextID)
    else await this.end(contextID)
  }

  /** Traps what arrives at the ports on which a PU listens now. Where that cannot be, what was enforced stays. */
  async #openPorts(contextID: string, listening: readonly number[]): Promise<void> {
    const { handler, store, report } = this.#options
    const context = this.#pus.get(contextID)
    if (!context) return
    const { ports: _ports, closedPorts: _closedPorts, ...rest } = context.runtime
    const runtime: PURuntime = { ...rest, ...effectivePorts(context.portPlan, listening) }
    if (samePorts(runtime, context.runtime)) return
    try {
      handler.setPURuntime(contextID, runtime)
      await handler.handlePUEvent(contextID, 'start')
    } catch (error) {
      handler.setPURuntime(contextID, context.runtime)
      report({ kind: 'ports-not-enforced', contextID, error })
      return
    }
    const changed = { ...context, runtime }
    this.#pus.set(contextID, changed)
    await store.write(changed)
  }
}

function samePorts(one: PURuntime, other: PURuntime): boolean {
  const text = ({ ports, closedPorts = [] }: PURuntime) => JSON.stringify([ports, closedPorts])
  return text(one) === text(other)
}
