import { KernelError, runAll } from '@trireme/core'
import { engineFolderOf } from './container-bundle.js'
import type { ContainerEvent } from './container-event.js'
import { readContainerFiles } from './container-files.js'
import type { ContainerInspection } from './container-inspection.js'
import { ContainerUnits } from './container-units.js'
import { deferred } from './deferred.js'
import type { Engine, ListedContainer } from './engine.js'
import { EngineSession } from './engine-session.js'
import { hasEnded, type Witnesses } from './has-ended.js'
import { OrderedTasks } from './ordered-tasks.js'
import { StartGate, type WaitingContainer } from './start-gate.js'
import type { WatchComponents, WatchSettings } from './watch-settings.js'

/** How often processes are looked for of which the engine's word and the kernel's differ. */
const DOUBT_CHECK_MS = 1000
/** The turn of what concerns no container that is there. */
const RETAINED = 'retained'
const RUNNING: readonly ListedContainer['state'][] = ['running', 'paused', 'restarting']

/** Everything between one `start` and one `stop` of a monitor. */
export class ContainerWatch {
  readonly #settings: WatchSettings
  readonly #components: WatchComponents
  readonly #units: ContainerUnits
  readonly #tasks: OrderedTasks
  readonly #session: EngineSession
  readonly #gate: StartGate | undefined
  readonly #witnesses: Witnesses
  /** Containers whose start waits for us: the engine must not be asked about them, for its answer waits for the start. */
  readonly #atGate = new Set<string>()
  readonly #inspections = new Map<string, AbortController>()
  /** Containers that were let through and of whose start the engine has not told yet. */
  readonly #admitted = new Set<string>()
  /** Containers that have ended by the engine's word, and whose process lives: they stay enforced until it has ended. */
  readonly #doubtful = new Map<string, 'ended' | 'vanished'>()
  /** Containers that ran before us and are left alone. */
  readonly #ignored = new Set<string>()
  readonly #rootFolder = deferred<string>()
  readonly #synchronized = deferred<void>()
  #cancelDoubtCheck: (() => void) | undefined

  constructor(settings: WatchSettings, components: WatchComponents) {
    const { connect, clock, gateSocket } = settings
    this.#settings = settings
    this.#components = components
    this.#tasks = new OrderedTasks(settings.concurrency)
    this.#units = new ContainerUnits({
      ...settings,
      ...components,
      kill: async containerID => this.#requireEngine('kill container').kill(containerID),
      pidOf: async container => (await this.#requireEngine('inspect').inspect(container))?.State.Pid ?? 0,
      hasEnded: running => hasEnded(running, this.#witnesses),
    })
    this.#session = new EngineSession({
      connect,
      clock,
      waits: settings.waitForEngine,
      onEvent: event => this.#enqueue(event.containerID, () => this.#handle(event)),
      onConnected: (engine, isFirst) => this.#synchronize(engine, isFirst),
      onBack: () => settings.onProblem({ kind: 'engine-back', error: undefined }),
      onLost: (error, kind) => settings.onProblem({ kind, error }),
    })
    const { processes } = settings
    this.#witnesses = { processes, engine: () => this.#session.engine, pause: ms => this.#session.pause(ms) }
    const admit = (waiting: WaitingContainer) => this.#admit(waiting)
    this.#gate = gateSocket === undefined ? undefined : new StartGate({ socketPath: gateSocket, admit })
  }

  async start(): Promise<void> {
    await this.#gate?.start()
    await this.#session.start()
  }

  /** Leaves in force what is. */
  async stop(): Promise<void> {
    await runAll([() => this.#close(), () => this.#units.release()])
  }

  /** Takes down what is in force. */
  async uninstall(): Promise<void> {
    await runAll([() => this.#close(), () => this.#units.stop(), () => this.#units.release()])
  }

  async #close(): Promise<void> {
    this.#rootFolder.reject(new Error('the monitor is stopping'))
    this.#synchronized.reject(new Error('the monitor is stopping'))
    this.#cancelDoubtCheck?.()
    await runAll([() => this.#gate?.stop(), () => this.#session.stop(), () => this.#tasks.idle()])
  }

  /** Resolves when all that ran at the first connection is enforced, or refused. Rejects when the monitor stops before. */
  get synchronized(): Promise<void> {
    return this.#synchronized.promise
  }

  list(): readonly { readonly contextID: string; readonly containerID: string }[] {
    return this.#units.enforced()
  }

  /** What fails within a task is reported there; a defect must not go unheard. */
  #enqueue(containerID: string, task: () => Promise<void>): Promise<void> {
    return this.#tasks.run(containerID, task).catch(error => {
      this.#settings.onProblem({ kind: 'not-refreshed', contextID: containerID.slice(0, 12), error })
    })
  }

  async #handle({ containerID, action }: ContainerEvent): Promise<void> {
    switch (action) {
      case 'create':
        return this.#units.note(containerID, 'create')
      case 'start':
        this.#ignored.delete(containerID)
        this.#admitted.delete(containerID)
        return this.#converge(containerID, true)
      case 'die':
        this.#ignored.delete(containerID)
        return this.#end(containerID)
      case 'destroy':
        return this.#destroy(containerID)
      case 'pause':
      case 'unpause':
        return this.#units.note(containerID, action)
      default:
        return this.#revisit(containerID)
    }
  }

  /** Once the engine is back, all that runs is looked at again. */
  #requireEngine(op: string): Engine {
    const { engine } = this.#session
    if (engine === undefined) throw new KernelError({ op, errno: 'ENOTCONN', detail: 'the engine is lost' })
    return engine
  }

  /** Brings into force what the engine says of a container now. */
  async #converge(containerID: string, isNew: boolean): Promise<void> {
    const container = await this.#inspect(containerID)
    if (container === undefined) return
    // One that the engine is about to start again counts as running, and has no process.
    const { Running, Pid } = container.State
    if (!Running || Pid === 0) return this.#end(containerID)
    await this.#units.start({ container, pid: Pid, isNew })
    if (this.#units.hasOutlivedNamespaces) this.#checkLater()
    const { isPaused } = this.#units.of(containerID)
    if (container.State.Paused !== isPaused) {
      await this.#units.note(containerID, container.State.Paused ? 'pause' : 'unpause')
    }
  }

  /** After a change of a container's name or networks; one of them comes when a start fails behind the gate. */
  async #revisit(containerID: string): Promise<void> {
    if (!this.#units.has(containerID)) return
    const unit = this.#units.of(containerID)
    if (!unit.isEnforced) return
    if (!unit.isAlive) return this.#end(containerID)
    if (this.#admitted.has(containerID)) return
    const container = await this.#inspect(containerID)
    if (container?.State.Running) await this.#units.refresh(container)
  }

  async #end(containerID: string): Promise<void> {
    this.#admitted.delete(containerID)
    if (this.#isDoubtful(containerID, 'ended')) return
    await this.#units.end(containerID)
    if (this.#units.isLingering(containerID)) await this.#leaveInterfaces(containerID)
    this.#endDeserted()
  }

  /** Whoever lingers has no interface any more: the next container may have its address. */
  async #leaveInterfaces(containerID: string): Promise<void> {
    if (this.#settings.readInterfaces === undefined) return
    const container = await this.#inspect(containerID)
    if (container !== undefined) await this.#units.refresh(container)
  }

  /** For a container of which the engine knows nothing any more. */
  async #vanish(containerID: string): Promise<void> {
    if (!this.#isDoubtful(containerID, 'vanished')) await this.#destroy(containerID)
  }

  /** Remembers to look again where the process of a container lives that should be no more. */
  #isDoubtful(containerID: string, word: 'ended' | 'vanished'): boolean {
    const unit = this.#units.of(containerID)
    if (!unit.isEnforced || !unit.isAlive) return false
    this.#doubtful.set(containerID, word)
    this.#checkLater()
    return true
  }

  async #destroy(containerID: string): Promise<void> {
    this.#doubtful.delete(containerID)
    this.#ignored.delete(containerID)
    this.#admitted.delete(containerID)
    await this.#units.destroy(containerID)
    this.#endDeserted()
  }

  #endDeserted(): void {
    for (const id of this.#units.lingering()) void this.#enqueue(id, () => this.#units.end(id))
    for (const id of this.#units.orphans()) void this.#enqueue(id, () => this.#converge(id, false))
    void this.#enqueue(RETAINED, () => this.#units.releaseDeserted())
    if (this.#units.hasOutlivedNamespaces) this.#checkLater()
  }

  /** Undefined where there is nothing to be done: it is gone, at the gate, or the engine is lost and all will be looked at. */
  async #inspect(containerID: string): Promise<ContainerInspection | undefined> {
    const { engine } = this.#session
    if (engine === undefined || this.#atGate.has(containerID)) return undefined
    const controller = new AbortController()
    this.#inspections.set(containerID, controller)
    try {
      return await engine.inspect(containerID, controller.signal)
    } catch (error) {
      if (controller.signal.aborted) return undefined
      const isEnginesWord = !(error instanceof KernelError) || error.errno.startsWith('HTTP')
      if (isEnginesWord) await this.#units.refuse(containerID, error)
      else if (this.#session.engine === engine) this.#session.renew()
      return undefined
    } finally {
      this.#inspections.delete(containerID)
    }
  }

  /** Brings into force what runs, and takes down what has ended while nobody listened. */
  async #synchronize(engine: Engine, isFirst: boolean): Promise<void> {
    this.#rootFolder.resolve(engine.rootFolder)
    const listed = await engine.list()
    const running = listed.filter(({ state }) => RUNNING.includes(state)).map(({ id }) => id)
    if (isFirst && !this.#settings.syncAtStart) {
      for (const id of running) if (!this.#units.has(id)) this.#ignored.add(id)
      return this.#synchronized.resolve()
    }
    if (isFirst) await this.#tellSynchronization(engine, listed)
    const begun = running.filter(id => !this.#ignored.has(id))
    const ended = this.#units.ids().filter(id => !running.includes(id))
    const present = new Set(listed.map(({ id }) => id))
    await Promise.all([
      ...begun.map(id => this.#enqueue(id, () => this.#resume(id, isFirst))),
      ...ended.map(id => this.#enqueue(id, () => (present.has(id) ? this.#end(id) : this.#vanish(id)))),
    ])
    this.#synchronized.resolve()
  }

  async #resume(containerID: string, isFirst: boolean): Promise<void> {
    if (!isFirst && !this.#units.has(containerID)) await this.#units.note(containerID, 'create')
    await this.#converge(containerID, !isFirst)
  }

  async #tellSynchronization(engine: Engine, listed: readonly ListedContainer[]): Promise<void> {
    const handler = this.#components.synchronizationHandler
    if (handler === undefined) return
    for (const { id } of listed) {
      try {
        const container = await engine.inspect(id)
        const unit = this.#units.of(id)
        const runtime = container && (await unit.describe(container))
        if (runtime === undefined) continue
        const { Paused, Running } = container!.State
        await handler.handleSynchronization(
          unit.contextID,
          Paused ? 'paused' : Running ? 'started' : 'stopped',
          runtime,
        )
      } catch (error) {
        this.#settings.onProblem({ kind: 'not-refreshed', contextID: id.slice(0, 12), error })
      }
    }
    handler.handleSynchronizationComplete()
  }

  /** Resolves when a container that waits at the gate may start. */
  async #admit(waiting: WaitingContainer): Promise<void> {
    const { id } = waiting
    this.#atGate.add(id)
    this.#inspections.get(id)?.abort()
    try {
      await this.#tasks.run(id, () => this.#enforceAtGate(waiting))
    } finally {
      this.#atGate.delete(id)
    }
  }

  async #enforceAtGate(waiting: WaitingContainer): Promise<void> {
    const { id, pid } = waiting
    let container: ContainerInspection
    try {
      // An engine that is starting answers nothing until its containers have started.
      const folder = (await engineFolderOf(waiting)) ?? (await this.#rootFolder.promise)
      container = await readContainerFiles(folder, waiting)
    } catch (error) {
      this.#units.reportRefused(id, error, false)
      throw error
    }
    this.#ignored.delete(id)
    await this.#units.admit({ container, pid, isNew: true, isHeldBack: true })
    this.#admitted.add(id)
    this.#checkLater()
  }

  #checkLater(): void {
    this.#cancelDoubtCheck ??= this.#settings.clock.setTimer(() => {
      this.#cancelDoubtCheck = undefined
      this.#checkDoubts()
    }, DOUBT_CHECK_MS)
  }

  /** Of a container that was let through and could not start after all, the engine tells nothing. */
  #checkDoubts(): void {
    for (const id of this.#admitted) {
      void this.#enqueue(id, async () => {
        if (this.#admitted.has(id) && !this.#units.of(id).isAlive) await this.#end(id)
      })
    }
    for (const [id, word] of this.#doubtful) {
      this.#doubtful.delete(id)
      void this.#enqueue(id, () => this.#recheck(id, word))
    }
    if (this.#units.hasOutlivedNamespaces) this.#endDeserted()
    if (this.#admitted.size > 0) this.#checkLater()
  }

  async #recheck(containerID: string, word: 'ended' | 'vanished'): Promise<void> {
    if (!this.#units.has(containerID)) return
    const isAlive = this.#units.of(containerID).isAlive
    if (word === 'vanished') return this.#vanish(containerID)
    return isAlive ? this.#converge(containerID, true) : this.#end(containerID)
  }
}
