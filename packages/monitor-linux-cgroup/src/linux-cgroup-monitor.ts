import { join } from 'node:path'
import {
  assertMethods,
  assertText,
  type Factory,
  KeyedQueue,
  type ProcessingUnitsHandler,
  type PUCaller,
  type PUInfo,
  type PURequest,
  runAll,
  TriremeError,
} from '@trireme/core'
import { activate, requireProcess } from './activate.js'
import { AnnouncedPUs } from './announced-pus.js'
import { assertMayTake } from './assert-may-take.js'
import { contextIDOfCgroup, newContextID } from './context-id.js'
import { ContextStore, type StoredContext } from './context-store.js'
import { cgroupFolderName } from './folder-name.js'
import type {
  LinuxCgroupMonitor,
  LinuxCgroupMonitorComponents,
  LinuxCgroupMonitorOptions,
  MonitoredPU,
} from './monitor-contract.js'
import { closeCgroupMount, openCgroupMount } from './open-cgroup-mount.js'
import { factExtractor, type ProcessExtractor } from './process-extractor.js'
import { readCgroupOf } from './process-facts.js'
import { PUCgroups } from './pu-cgroups.js'
import { assertMayDeclare, runRequestOf } from './request-options.js'
import { assertPUDescription, assertRunRequest, type RunRequest } from './run-request.js'
import { RunningPUs } from './running-pus.js'
import { unitCgroup } from './unit-cgroup.js'
import { UserQuota } from './user-quota.js'

/** A sixteenth of the queues of a network namespace. */
const MAX_PUS_PER_USER = 256

/** Processes as PUs by cgroup v2 path, or by cgroup v1 net_cls class where there is no v2. */
export function linuxCgroupMonitor(
  options: LinuxCgroupMonitorOptions,
): Factory<LinuxCgroupMonitorComponents, LinuxCgroupMonitor> {
  assertText('stateDir', options?.stateDir)
  return components => {
    assertMethods('handler', components?.handler, ['setPURuntime', 'handlePUEvent'])
    return new CgroupMonitor(options, components)
  }
}

class CgroupMonitor implements LinuxCgroupMonitor {
  readonly #options: LinuxCgroupMonitorOptions
  readonly #handler: ProcessingUnitsHandler
  readonly #extractor: ProcessExtractor
  readonly #puInfos: () => readonly PUInfo[]
  readonly #store: ContextStore
  readonly #announced = new AnnouncedPUs()
  /** What happens to one PU happens one after another. */
  readonly #queue = new KeyedQueue()
  readonly #quota: UserQuota
  /** What exists between `start` and `stop`. */
  #running: RunningPUs | undefined

  constructor(options: LinuxCgroupMonitorOptions, components: LinuxCgroupMonitorComponents) {
    this.#options = options
    this.#handler = components.handler
    this.#extractor = options.extractor ?? factExtractor()
    this.#store = new ContextStore(join(options.stateDir, 'pus'))
    this.#puInfos = components.puInfos ?? (() => [])
    this.#quota = new UserQuota(options.maxPUsPerUser ?? MAX_PUS_PER_USER)
  }

  async start(): Promise<void> {
    if (this.#running) throw new TriremeError('ERR_ALREADY_STARTED', 'the monitor has been started already')
    const cgroups = await this.#openCgroups()
    const running = this.#newRunningPUs(cgroups)
    this.#running = running
    try {
      const { contexts, unreadable } = await this.#store.open()
      await Promise.all([
        ...contexts.map(context => running.resume(context)),
        ...unreadable.map(file => running.standIn(file)),
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
    const { event } = request
    if (event === 'create') return this.#create(request, caller)
    if (event === 'start') return this.#startFor(request, caller)
    const contextID = request.contextID ?? (await this.#puOf(request.pid))
    await this.#queue.run(contextID, () => this.#change(contextID, event, caller))
    return { contextID }
  }

  async dismiss(pid: number): Promise<void> {
    const running = this.#require()
    const context = await running.ofProcess(pid)
    if (context) await running.cgroups.release(pid, context.origin)
  }

  hierarchy(): 'v2' | 'net-cls' {
    return this.#require().cgroups.mount.version
  }

  list(): readonly MonitoredPU[] {
    const pus = this.#running?.all() ?? []
    return pus.map(({ contextID, runtime }) => ({ contextID, runtime }))
  }

  async uninstall(): Promise<void> {
    const former = await this.#quiesce()
    const { contexts } = await this.#store.open()
    const cgroups = await this.#openCgroups()
    const origins = new Map(contexts.map(context => [context.contextID, context.origin]))
    const contextIDs = new Set([...origins.keys(), ...(await cgroups.list())])
    await runAll([
      ...(former?.all() ?? []).flatMap(({ contextID }) => former?.farewell(contextID) ?? []),
      ...[...contextIDs].map(contextID => async () => {
        await cgroups.evacuate(contextID, origins.get(contextID) ?? '')
        await cgroups.remove(contextID)
      }),
      () => cgroups.close(),
      () => closeCgroupMount(cgroups.mount, this.#options.stateDir),
      () => this.#store.destroy(),
    ])
  }

  #require(): RunningPUs {
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
      if (running.get(contextID)) await running.end(contextID)
      const components = {
        cgroups: running.cgroups,
        handler: this.#handler,
        store: this.#store,
        extractor: this.#extractor,
      }
      const isCreated = announced !== undefined
      const context = await activate(components, { request, contextID, facts, borrowed, isCreated })
      this.#announced.remove(contextID)
      running.follow(context)
    })
    // What listens already is not to be left open until the next look.
    if (request.scope === 'tree') await running.lookAnew()
    return { contextID }
  }

  async #puOf(pid: number | undefined): Promise<string> {
    if (pid === undefined)
      throw new TypeError('contextID: missing, expected that of the PU, or pid of a process in it')
    const context = await this.#require().ofProcess(pid)
    if (context) return context.contextID
    throw new TriremeError('ERR_PU_UNKNOWN', `pid ${pid}: it is in no PU of processes`)
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
    const { uid } = caller
    const start = () => this.#run({ ...run, ...(known && { owner: known.owner }) }, contextID)
    if (uid === 0) return start()
    await assertMayTake({ pid: run.pid, running: this.#require(), puInfos: this.#puInfos }, caller)
    const had = this.#require()
      .all()
      .filter(({ owner }) => owner === uid).length
    return this.#quota.within(uid, had, start)
  }

  async #change(contextID: string, event: PURequest['event'], caller: PUCaller): Promise<void> {
    const running = this.#require()
    const context = running.get(contextID)
    if (!context) {
      this.#announced.get(contextID, caller)
      await this.#handler.handlePUEvent(contextID, event)
      if (event === 'destroy') this.#announced.remove(contextID)
      return
    }
    assertOwner(context, caller)
    if (event !== 'stop' && event !== 'destroy') return this.#handler.handlePUEvent(contextID, event)
    await this.#takeDown(running, context, event)
  }

  /** Rules go first, so that no process is in a cgroup that none of them names. */
  async #takeDown(running: RunningPUs, context: StoredContext, event: 'stop' | 'destroy'): Promise<void> {
    const { contextID, runtime, portPlan, owner } = context
    running.unfollow(contextID)
    await runAll([
      () => this.#handler.handlePUEvent(contextID, 'stop'),
      () => running.cgroups.evacuate(contextID, context.origin),
      () => running.clear(contextID),
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

  #newRunningPUs(cgroups: PUCgroups): RunningPUs {
    const { pollMs, portPollMs, onProblem = () => {} } = this.#options
    return new RunningPUs({
      ...{ cgroups, handler: this.#handler, store: this.#store, queue: this.#queue, report: onProblem },
      pollMs: pollMs ?? (cgroups.mount.version === 'v2' ? 5000 : 500),
      portPollMs: portPollMs ?? 500,
    })
  }

  /** Takes no more requests, waits for what is under way, and answers with the PUs that stay enforced. */
  async #quiesce(): Promise<RunningPUs | undefined> {
    const running = this.#running
    this.#running = undefined
    await this.#queue.settled()
    await running?.close()
    while (this.#queue.size > 0) await this.#queue.settled()
    return running
  }
}

async function cgroupOf(pid: number): Promise<string> {
  return (await readCgroupOf(pid, 'v2')) ?? '/'
}

function assertOwner({ contextID, owner }: StoredContext, caller: PUCaller): void {
  if (caller.uid === 0 || caller.uid === owner) return
  throw new TriremeError('ERR_NOT_PERMITTED', `PU ${contextID}: user ${caller.uid} did not make it`)
}
