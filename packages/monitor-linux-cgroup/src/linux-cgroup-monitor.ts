import { join } from 'node:path'
import {
  type Factory,
  KeyedQueue,
  type ProcessingUnitsHandler,
  type PUCaller,
  type PURequest,
  type PURuntime,
  runAll,
  TriremeError,
} from '@trireme/core'
import { activate, requireProcess } from './activate.js'
import { AnnouncedPUs } from './announced-pus.js'
import { contextIDOfCgroup, isContextID, newContextID } from './context-id.js'
import { ContextStore, type StoredContext, type UnreadableContext } from './context-store.js'
import { effectivePorts } from './effective-ports.js'
import { EmptinessWatch } from './emptiness-watch.js'
import { cgroupFolderName } from './folder-name.js'
import type {
  LinuxCgroupMonitor,
  LinuxCgroupMonitorComponents,
  LinuxCgroupMonitorOptions,
  MonitoredPU,
  MonitorProblem,
} from './monitor-contract.js'
import { closeCgroupMount, openCgroupMount } from './open-cgroup-mount.js'
import { PortWatch } from './port-watch.js'
import { factExtractor, type ProcessExtractor } from './process-extractor.js'
import { readCgroupOf } from './process-facts.js'
import { PUCgroups } from './pu-cgroups.js'
import { assertMayDeclare, runRequestOf } from './request-options.js'
import { assertPUDescription, assertRunRequest, type RunRequest } from './run-request.js'
import { unitCgroup } from './unit-cgroup.js'

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
  readonly ports: PortWatch
}

class CgroupMonitor implements LinuxCgroupMonitor {
  readonly #options: LinuxCgroupMonitorOptions
  readonly #handler: ProcessingUnitsHandler
  readonly #extractor: ProcessExtractor
  readonly #store: ContextStore
  readonly #pus = new Map<string, StoredContext>()
  readonly #announced = new AnnouncedPUs()
  /** What happens to one PU happens one after another. */
  readonly #queue = new KeyedQueue()
  #running: Running | undefined

  constructor(options: LinuxCgroupMonitorOptions, components: LinuxCgroupMonitorComponents) {
    this.#options = options
    this.#handler = components.handler
    this.#extractor = options.extractor ?? factExtractor()
    this.#store = new ContextStore(join(options.stateDir, 'pus'))
  }

  async start(): Promise<void> {
    if (this.#running) throw new TriremeError('ERR_ALREADY_STARTED', 'the monitor has been started already')
    const cgroups = await this.#openCgroups()
    const running = { cgroups, watch: this.#newWatch(cgroups), ports: this.#newPortWatch(cgroups) }
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

  run(request: RunRequest): Promise<{ readonly contextID: string }> {
    return this.#run(request, undefined)
  }

  async handleRequest(request: PURequest, caller: PUCaller): Promise<{ readonly contextID: string }> {
    const { event, contextID } = request
    if (event === 'create') return this.#create(request, caller)
    if (event === 'start') return this.#startFor(request, caller)
    if (contextID === undefined) throw new TypeError('contextID: missing, expected that of the PU')
    await this.#queue.run(contextID, () => this.#change(contextID, event, caller))
    return { contextID }
  }

  async dismiss(pid: number): Promise<void> {
    const { cgroups } = this.#require()
    const context = await this.#puOf(cgroups, pid)
    if (context) await cgroups.release(pid, context.origin)
  }

  hierarchy(): 'v2' | 'net-cls' {
    return this.#require().cgroups.mount.version
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

  #require(): Running {
    if (!this.#running) throw new TriremeError('ERR_NOT_STARTED', 'the monitor is not running')
    return this.#running
  }

  async #run(request: RunRequest, announced: string | undefined): Promise<{ readonly contextID: string }> {
    const running = this.#require()
    assertRunRequest(request)
    const facts = await requireProcess(request.pid)
    const borrowed = request.scope === 'cgroup' ? unitCgroup(await cgroupOf(request.pid)) : undefined
    const contextID = announced ?? (borrowed === undefined ? newContextID() : contextIDOfCgroup(borrowed))
    await this.#queue.run(contextID, async () => {
      // A cgroup that was made anew under the same path escapes the rule that named the old one.
      if (this.#pus.has(contextID)) await this.#end(running.cgroups, contextID)
      const components = {
        ...running,
        handler: this.#handler,
        store: this.#store,
        extractor: this.#extractor,
      }
      const isCreated = announced !== undefined
      this.#follow(running, await activate(components, { request, contextID, facts, borrowed, isCreated }))
    })
    // What listens already is not to be left open until the next look.
    if (request.scope === 'tree') await running.ports.lookAnew()
    return { contextID }
  }

  async #create(request: PURequest, caller: PUCaller): Promise<{ readonly contextID: string }> {
    this.#require()
    assertPUDescription(request)
    assertMayDeclare(request, caller)
    const contextID = newContextID()
    this.#announced.add(contextID, { request, owner: caller.uid })
    try {
      await this.#handler.handlePUEvent(contextID, 'create')
    } catch (error) {
      this.#announced.remove(contextID)
      throw error
    }
    return { contextID }
  }

  async #startFor(request: PURequest, caller: PUCaller): Promise<{ readonly contextID: string }> {
    const { contextID } = request
    const known = contextID === undefined ? undefined : this.#announced.get(contextID, caller)
    const run = runRequestOf(
      known ? { ...known.request, pid: request.pid!, options: request.options } : request,
      caller,
    )
    if (caller.uid !== 0) await this.#assertMayTake(run.pid, caller)
    return this.#run({ ...run, ...(known && { owner: known.owner }) }, contextID)
  }

  /** Nobody but root gets a process out of a PU that is not his: it would shed its identity. */
  async #assertMayTake(pid: number, caller: PUCaller): Promise<void> {
    const context = await this.#puOf(this.#require().cgroups, pid)
    if (!context || context.owner === caller.uid) return
    throw new TriremeError(
      'ERR_NOT_PERMITTED',
      `pid ${pid}: it belongs to PU ${context.contextID}, which user ${caller.uid} did not make`,
    )
  }

  async #puOf(cgroups: PUCgroups, pid: number): Promise<StoredContext | undefined> {
    const path = await readCgroupOf(pid, cgroups.mount.version)
    return [...this.#pus.values()].find(({ contextID }) => {
      const own = cgroups.kernelPath(contextID)
      return path === own || path?.startsWith(`${own}/`)
    })
  }

  async #change(contextID: string, event: PURequest['event'], caller: PUCaller): Promise<void> {
    const { cgroups } = this.#require()
    const context = this.#pus.get(contextID)
    if (!context) {
      this.#announced.get(contextID, caller)
      await this.#handler.handlePUEvent(contextID, event)
      if (event === 'destroy') this.#announced.remove(contextID)
      return
    }
    assertOwner(context, caller)
    if (event !== 'stop' && event !== 'destroy') return this.#handler.handlePUEvent(contextID, event)
    await this.#takeDown(cgroups, context, event)
  }

  /** Rules go first, so that no process is in a cgroup that none of them names. */
  async #takeDown(cgroups: PUCgroups, context: StoredContext, event: 'stop' | 'destroy'): Promise<void> {
    const { contextID, runtime, portPlan, owner } = context
    this.#unfollow(contextID)
    await runAll([
      () => this.#handler.handlePUEvent(contextID, 'stop'),
      () => cgroups.evacuate(contextID, context.origin),
      () => this.#clear(cgroups, contextID),
    ])
    if (event === 'destroy') return this.#handler.handlePUEvent(contextID, 'destroy')
    const { name, tags, aliases = [] } = runtime
    const request = { name, aliases, ports: portPlan.declared, discoverPorts: portPlan.discover, options: {} }
    const own = tags.filter(tag => !tag.key.startsWith('@'))
    this.#announced.add(contextID, {
      request: { event: 'create', type: runtime.kind, tags: own, ...request },
      owner,
    })
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
      onEmpty: contextID => void this.#queue.run(contextID, () => this.#endIfEmpty(cgroups, contextID)),
      onError: (contextID, error) => this.#report({ kind: 'not-watched', contextID, error }),
      pollMs: this.#options.pollMs ?? (cgroups.mount.version === 'v2' ? 5000 : 500),
    })
  }

  #newPortWatch(cgroups: PUCgroups): PortWatch {
    return new PortWatch({
      processesOf: contextID => cgroups.processes(contextID),
      onPorts: (contextID, ports) => this.#queue.run(contextID, () => this.#openPorts(contextID, ports)),
      onError: (contextID, error) => this.#report({ kind: 'not-watched', contextID, error }),
      pollMs: this.#options.portPollMs ?? 500,
    })
  }

  /** Traps what arrives at the ports on which a PU listens now. Where that cannot be, what was enforced stays. */
  async #openPorts(contextID: string, listening: readonly number[]): Promise<void> {
    const context = this.#pus.get(contextID)
    if (!context) return
    const { ports: _ports, closedPorts: _closedPorts, ...rest } = context.runtime
    const runtime: PURuntime = { ...rest, ...effectivePorts(context.portPlan, listening) }
    if (samePorts(runtime, context.runtime)) return
    try {
      this.#handler.setPURuntime(contextID, runtime)
      await this.#handler.handlePUEvent(contextID, 'start')
    } catch (error) {
      this.#handler.setPURuntime(contextID, context.runtime)
      this.#report({ kind: 'ports-not-enforced', contextID, error })
      return
    }
    const changed = { ...context, runtime }
    this.#pus.set(contextID, changed)
    await this.#store.write(changed)
  }

  /** Enforces a PU again that an earlier process left behind, if it still runs. */
  async #resume(running: Running, context: StoredContext): Promise<void> {
    const { contextID, borrowed } = context
    const { cgroups, watch } = running
    if (borrowed !== undefined) cgroups.borrow(contextID, borrowed)
    if (!(await cgroups.isPopulated(contextID))) return this.#clear(cgroups, contextID)
    try {
      const isByPorts = context.runtime.isolation.by === 'ports'
      const isolation = isByPorts ? context.runtime.isolation : await cgroups.isolation(contextID)
      const runtime = { ...context.runtime, isolation }
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
    const portPlan = { declared: [], discover: false }
    const context = { contextID, runtime, portPlan, owner: 0, origin: '' }
    await this.#store.write(context)
    await this.#resume(running, context)
  }

  #follow({ cgroups, watch, ports }: Running, context: StoredContext): void {
    const { contextID } = context
    this.#announced.remove(contextID)
    this.#pus.set(contextID, context)
    watch.add(contextID, cgroups.eventsFile(contextID))
    ports.add(contextID)
  }

  #unfollow(contextID: string): boolean {
    this.#running?.watch.remove(contextID)
    this.#running?.ports.remove(contextID)
    return this.#pus.delete(contextID)
  }

  /** Between the look and now the PU may have been made anew. */
  async #endIfEmpty(cgroups: PUCgroups, contextID: string): Promise<void> {
    if (await cgroups.isPopulated(contextID)) {
      this.#running?.watch.add(contextID, cgroups.eventsFile(contextID))
      return
    }
    await this.#end(cgroups, contextID)
  }

  /** The rules go before the cgroup that they name: a rule that names a vanished cgroup cannot be restored. */
  async #end(cgroups: PUCgroups, contextID: string): Promise<void> {
    const wasEnforced = this.#unfollow(contextID)
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
    await this.#queue.settled()
    await running?.ports.close()
    running?.watch.close()
    while (this.#queue.size > 0) await this.#queue.settled()
    const enforced = [...this.#pus.values()]
    this.#pus.clear()
    return enforced
  }

  #report(problem: MonitorProblem): void {
    this.#options.onProblem?.(problem)
  }
}

async function cgroupOf(pid: number): Promise<string> {
  return (await readCgroupOf(pid, 'v2')) ?? '/'
}

function samePorts(one: PURuntime, other: PURuntime): boolean {
  const text = ({ ports, closedPorts = [] }: PURuntime) => JSON.stringify([ports, closedPorts])
  return text(one) === text(other)
}

function assertOwner({ contextID, owner }: StoredContext, caller: PUCaller): void {
  if (caller.uid === 0 || caller.uid === owner) return
  throw new TriremeError('ERR_NOT_PERMITTED', `PU ${contextID}: user ${caller.uid} did not make it`)
}
