import type { Clock, EventCollector, Tags } from '@trireme/core'
import type { ContainerInspection } from './container-inspection.js'
import { joinedContainer, type RunningContainer } from './container-place.js'
import { ContainerUnit, contextIDOf, RefusedContainer, type UnitSurroundings } from './container-unit.js'
import type { DockerMonitorProblem } from './monitor-problem.js'
import { OutlivedNamespaces } from './outlived-namespaces.js'

export interface ContainerUnitsOptions extends Omit<UnitSurroundings, 'onRefusedLabel' | 'isOwned'> {
  readonly collector: EventCollector
  readonly killContainerOnError: boolean
  readonly kill: (containerID: string) => Promise<void>
  /** Whether a container that could not be enforced, and did not wait for it, has ended by itself. */
  readonly hasEnded: (running: RunningContainer) => Promise<boolean>
  /** The first process of a container, by name or ID; 0 where it does not run. Rejects where the engine cannot be asked. */
  readonly pidOf: (container: string) => Promise<number>
  readonly onProblem: (problem: DockerMonitorProblem) => void
  readonly clock: Clock
}

/**
 * The containers that are known, what is in force for each, and what becomes of those that cannot be enforced. Calls for one
 * container must not overlap; none rejects but `admit`.
 */
export class ContainerUnits {
  readonly #options: ContainerUnitsOptions
  readonly #surroundings: UnitSurroundings
  readonly #units = new Map<string, ContainerUnit>()
  /** Containers that have ended while others live on in their network namespaces. */
  readonly #lingering = new Set<string>()
  /** Units of namespaces that are inhabited though their containers run elsewhere now, or are gone. */
  readonly #retained = new Set<ContainerUnit>()
  readonly #namespaces: OutlivedNamespaces

  constructor(options: ContainerUnitsOptions) {
    this.#options = options
    this.#namespaces = new OutlivedNamespaces(options.processes)
    this.#surroundings = {
      ...options,
      isOwned: (running, namespaceID) => this.#isOwned(running, namespaceID),
      onRefusedLabel: (contextID, { label, reason }) => {
        const error = new TypeError(`label ${JSON.stringify(label.slice(0, 80))}: ${reason}`)
        options.onProblem({ kind: 'label-refused', contextID, error })
        this.#record({ contextID, event: 'create', tags: [] }, error)
      },
    }
  }

  /** IDs of the containers that are known. */
  ids(): readonly string[] {
    return [...this.#units.keys()]
  }

  /** The container's unit, made where there was none. */
  of(containerID: string): ContainerUnit {
    const known = this.#units.get(containerID)
    if (known !== undefined) return known
    const unit = new ContainerUnit(this.#freeContextID(containerID), this.#surroundings)
    this.#units.set(containerID, unit)
    return unit
  }

  has(containerID: string): boolean {
    return this.#units.has(containerID)
  }

  enforced(): readonly { readonly contextID: string; readonly containerID: string }[] {
    return [...this.#units]
      .filter(([, unit]) => unit.isEnforced && !unit.isCutOff)
      .map(([containerID, { contextID }]) => ({ contextID, containerID }))
  }

  /** Enforces a container that runs; where that fails, it is killed or cut off. */
  async start(running: RunningContainer): Promise<void> {
    const containerID = running.container.Id
    try {
      await this.#activate(running)
    } catch (error) {
      if (!(error as RefusedContainer).isCutOff) await this.#kill(containerID)
    }
  }

  /** Enforces a container that has not begun to run. Rejects with `RefusedContainer` where it must not. */
  async admit(running: RunningContainer): Promise<void> {
    try {
      await this.#activate(running)
    } catch (error) {
      if (!(error as RefusedContainer).isCutOff) throw error
    }
  }

  /** Records and reports that a container could not even be looked at, and kills it. */
  async refuse(containerID: string, error: unknown): Promise<void> {
    this.reportRefused(containerID, error, false)
    await this.#kill(containerID)
  }

  reportRefused(containerID: string, error: unknown, isRecorded: boolean): void {
    const contextID = contextIDOf(containerID)
    if (!isRecorded) this.#record({ contextID, event: 'forcestop', tags: [] }, error)
    this.#options.onProblem({ kind: 'not-enforced', contextID, error })
  }

  /** Brings a running PU's facts up to date. */
  async refresh(container: ContainerInspection): Promise<void> {
    const unit = this.of(container.Id)
    try {
      await unit.refresh(container)
    } catch (error) {
      if (await this.#options.hasEnded({ container, pid: container.State.Pid, isNew: false })) return
      await this.#notRefreshed(container.Id, error)
    }
  }

  /** Takes a PU down whose process has ended; not before all have ended that live in its network namespace. */
  async end(containerID: string): Promise<void> {
    const unit = this.of(containerID)
    if (unit.isAlive) return
    if (await this.#isInhabited(unit)) {
      this.#lingering.add(containerID)
      return
    }
    this.#lingering.delete(containerID)
    await this.#reporting(unit, () => unit.stop())
  }

  /** Whether it has ended, and others live on in its network namespace. */
  isLingering(containerID: string): boolean {
    return this.#lingering.has(containerID)
  }

  /** Ended containers that wait for the inhabitants of their namespaces to `end`. */
  lingering(): readonly string[] {
    return [...this.#lingering]
  }

  /** Whether namespaces have outlived their containers: whoever lives there may end at any time. */
  get hasOutlivedNamespaces(): boolean {
    return this.#lingering.size + this.#retained.size > 0
  }

  /** Takes down the PUs of retained namespaces in which nobody lives any more. */
  async releaseDeserted(): Promise<void> {
    for (const unit of this.#retained) {
      if (await this.#isInhabited(unit)) continue
      this.#retained.delete(unit)
      await this.#reporting(unit, () => unit.destroy())
    }
  }

  /** Containers that live in a network namespace which they have joined and which is no PU's. */
  orphans(): readonly string[] {
    return [...this.#units]
      .filter(([, { joinedNamespaceID: id }]) => id !== undefined && !this.#isPUs(id))
      .map(([containerID]) => containerID)
  }

  async destroy(containerID: string): Promise<void> {
    const unit = this.of(containerID)
    this.#units.delete(containerID)
    this.#lingering.delete(containerID)
    if (await this.#mustStay(unit)) this.#retained.add(unit)
    else await this.#reporting(unit, () => unit.destroy())
  }

  /** Tells the handler of an event that changes nothing. */
  async note(containerID: string, event: 'create' | 'pause' | 'unpause'): Promise<void> {
    const unit = this.of(containerID)
    await unit.note(event).catch(error => {
      this.#options.onProblem({ kind: 'not-refreshed', contextID: unit.contextID, error })
    })
  }

  /** Takes all PUs down, whether their processes live or not. */
  async stop(): Promise<void> {
    for (const unit of this.#all()) await this.#reporting(unit, () => unit.stop())
  }

  /** Forgets all, and leaves in force what is. */
  async release(): Promise<void> {
    const units = this.#all()
    this.#units.clear()
    this.#retained.clear()
    for (const unit of units) await unit.release()
  }

  async #activate(running: RunningContainer): Promise<void> {
    const { container } = running
    const unit = await this.#successor(container.Id)
    this.#lingering.delete(container.Id)
    try {
      await unit.start(running, !this.#options.killContainerOnError)
    } catch (error) {
      // One that has ended is nobody's problem, and must not lose its restart by the engine.
      if (!running.isHeldBack && (await this.#options.hasEnded(running))) {
        return await this.#reporting(unit, () => unit.stop())
      }
      if (!(error instanceof RefusedContainer)) return await this.#notRefreshed(container.Id, error)
      this.reportRefused(container.Id, error.cause, error.isRecorded)
      if (error.isCutOff) this.#options.onProblem({ kind: 'cut-off', contextID: unit.contextID, error })
      throw error
    }
  }

  /** What was in force still is; but one that was cut off, or seen at its interfaces alone, may have got one where it is not. */
  async #notRefreshed(containerID: string, error: unknown): Promise<void> {
    const unit = this.of(containerID)
    this.#options.onProblem({ kind: 'not-refreshed', contextID: unit.contextID, error })
    if (unit.isCutOff || error instanceof RefusedContainer) await this.#kill(containerID)
  }

  async #kill(containerID: string): Promise<void> {
    try {
      await this.#options.kill(containerID)
    } catch (error) {
      this.#options.onProblem({ kind: 'not-killed', contextID: contextIDOf(containerID), error })
    }
  }

  /** The unit for a container that runs: another one where processes live on in the namespace of its life before. */
  async #successor(containerID: string): Promise<ContainerUnit> {
    const unit = this.of(containerID)
    if (unit.isAlive || !(await this.#mustStay(unit))) return unit
    this.#retained.add(unit)
    this.#units.delete(containerID)
    return this.of(containerID)
  }

  /** Whether the unit's rules must stay in force whatever becomes of its container. */
  async #mustStay(unit: ContainerUnit): Promise<boolean> {
    // At the bridges of the host, rules go with the interfaces: none is left to a container that has ended.
    if (unit.isCutOff || this.#options.readInterfaces !== undefined) return false
    return this.#isInhabited(unit)
  }

  async #isInhabited({ namespaceID }: ContainerUnit): Promise<boolean> {
    return namespaceID !== undefined && (await this.#namespaces.isInhabited(namespaceID))
  }

  async #isOwned({ container, isHeldBack = false }: RunningContainer, namespaceID: bigint): Promise<boolean> {
    if (this.#isPUs(namespaceID)) return true
    try {
      const pid = await this.#options.pidOf(joinedContainer(container) ?? '')
      return this.#options.processes.namespaceID(pid) === namespaceID
    } catch {
      // All that runs is looked at again when the engine is back; what waits at the gate is not.
      return !isHeldBack
    }
  }

  #isPUs(namespaceID: bigint): boolean {
    return this.#all().some(unit => unit.namespaceID === namespaceID)
  }

  #all(): readonly ContainerUnit[] {
    return [...this.#retained, ...this.#units.values()]
  }

  /** A container's own, unless a namespace of an earlier life of it is still known by that. */
  #freeContextID(containerID: string): string {
    const contextID = contextIDOf(containerID)
    const taken = new Set([...this.#retained].map(unit => unit.contextID))
    for (let life = 1; ; life += 1) {
      const candidate = life === 1 ? contextID : `${contextID}-${life}`
      if (!taken.has(candidate)) return candidate
    }
  }

  async #reporting({ contextID }: ContainerUnit, step: () => Promise<void>): Promise<void> {
    try {
      await step()
    } catch (error) {
      this.#options.onProblem({ kind: 'not-stopped', contextID, error })
    }
  }

  #record(
    record: { readonly contextID: string; readonly event: 'create' | 'forcestop'; readonly tags: Tags },
    error: unknown,
  ): void {
    const { collector, clock } = this.#options
    const reason = error instanceof Error ? error.message : String(error)
    collector.collectPUEvent({ ...record, time: new Date(clock.now()).toISOString(), reason })
  }
}
