import { type Isolation, type ProcessingUnitsHandler, type PURuntime, runAll } from '@trireme/core'
import type { ContainerInspection } from './container-inspection.js'
import type { ReadInterfaces } from './container-interfaces.js'
import { type ContainerPlace, locateContainer, type RunningContainer } from './container-place.js'
import type { Processes, ProcessIdentity } from './container-process.js'
import type { ContainerExtractor, ContainerPU, RefusedLabel } from './container-pu.js'
import { exposedPorts } from './exposed-ports.js'
import { publishedAddresses } from './published-addresses.js'

/** What units work with. */
export interface UnitSurroundings {
  readonly handler: ProcessingUnitsHandler
  readonly extractor: ContainerExtractor
  readonly processes: Processes
  /** Lets nothing into or out of a network namespace any more. */
  readonly cutOff: (namespacePath: string) => Promise<void>
  /** Given where containers are enforced at their interfaces and not inside. */
  readonly readInterfaces: ReadInterfaces | undefined
  readonly onRefusedLabel: (contextID: string, refused: RefusedLabel) => void
  /** Whether the network namespace that a container has joined belongs to a PU, or to a container that is about to be one. */
  readonly isOwned: (running: RunningContainer, namespaceID: bigint) => Promise<boolean>
}

/** A container that was not enforced. */
export class RefusedContainer extends Error {
  override readonly name = 'RefusedContainer'
  /** Whether the handler has recorded the failure. */
  readonly isRecorded: boolean
  /** Whether nothing enters or leaves the container's network namespace any more. */
  readonly isCutOff: boolean

  constructor(cause: unknown, outcome: { readonly isRecorded: boolean; readonly isCutOff: boolean }) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.isRecorded = outcome.isRecorded
    this.isCutOff = outcome.isCutOff
  }
}

/** As much of a place as a runtime tells. */
interface Place {
  readonly kind: PURuntime['kind']
  readonly identity: { readonly pid: number }
  readonly isolation: Isolation
}

interface Enforced {
  readonly place: Exclude<ContainerPlace, { kind: 'joined' }>
  readonly runtime: PURuntime
  readonly isCutOff: boolean
}

/** How many digits of a container's ID name its PU. */
const CONTEXT_ID_DIGITS = 12

export function contextIDOf(containerID: string): string {
  return containerID.slice(0, CONTEXT_ID_DIGITS)
}

/** One container and what is in force for it. Calls must not overlap. */
export class ContainerUnit {
  readonly contextID: string
  readonly #surroundings: UnitSurroundings
  #enforced: Enforced | undefined
  #joined: { readonly identity: ProcessIdentity; readonly namespaceID: bigint } | undefined
  readonly #refusedLabels = new Set<string>()
  #isNew = false
  isPaused = false

  constructor(contextID: string, surroundings: UnitSurroundings) {
    this.contextID = contextID
    this.#surroundings = surroundings
  }

  /** Whether a PU is in force, or its container cut off. */
  get isEnforced(): boolean {
    return this.#enforced !== undefined
  }

  /** Whether the container runs on without a network. */
  get isCutOff(): boolean {
    return this.#enforced?.isCutOff ?? false
  }

  /** The namespace that is this PU's own. */
  get namespaceID(): bigint | undefined {
    const place = this.#enforced?.place
    return place?.kind === 'container' ? place.namespaceID : undefined
  }

  /** The namespace of another container in which this one lives. */
  get joinedNamespaceID(): bigint | undefined {
    return this.#joined?.namespaceID
  }

  /** Whether the process for which the PU was enforced is still there. */
  get isAlive(): boolean {
    const identity = this.#enforced?.place.identity ?? this.#joined?.identity
    return identity !== undefined && this.#surroundings.processes.isAlive(identity)
  }

  /** What the handler is told of a container. Undefined where it is no PU. */
  async extract(container: ContainerInspection): Promise<ContainerPU | undefined> {
    return this.#surroundings.extractor(container, {
      onRefusedLabel: refused => {
        if (this.#refusedLabels.has(refused.label)) return
        this.#refusedLabels.add(refused.label)
        this.#surroundings.onRefusedLabel(this.contextID, refused)
      },
    })
  }

  /** What is known of a container, whether it runs or not. Undefined where it is no PU. */
  async describe(container: ContainerInspection): Promise<PURuntime | undefined> {
    const pu = await this.extract(container)
    if (pu === undefined) return undefined
    const isOnHost = container.HostConfig.NetworkMode === 'host'
    const pid = container.State.Pid
    return this.#runtimeOf(
      container,
      {
        kind: isOnHost ? 'linux-process' : 'container',
        identity: { pid },
        isolation: isOnHost ? { by: 'cgroup-path', path: '' } : { by: 'netns', path: `/proc/${pid}/ns/net` },
      },
      pu,
    )
  }

  /**
   * Enforces a container that runs, or brings it up to date where that process is enforced already.
   * @param cutOffOnFailure instead of leaving the network as it is.
   * @throws RefusedContainer
   */
  async start(running: RunningContainer, cutOffOnFailure: boolean): Promise<void> {
    const identity = this.#surroundings.processes.identity(running.pid)
    const current = this.#enforced?.place.identity
    if (current !== undefined && current.startTime === identity?.startTime && current.pid === identity.pid) {
      return this.refresh(running.container)
    }
    await refusing(true, () => this.stop())
    const place = await refusing(false, () => this.#locate(running))
    this.#isNew = running.isNew
    if (place.kind === 'joined') this.#joined = place
    else await this.#enforce(running, place, cutOffOnFailure)
  }

  /** A namespace that its first container has left belongs to the one that lives on in it. */
  async #locate(running: RunningContainer): Promise<ContainerPlace> {
    const { processes, isOwned } = this.#surroundings
    const place = await locateContainer(running, processes)
    if (place.kind !== 'joined' || (await isOwned(running, place.namespaceID))) return place
    return locateContainer({ ...running, ownsNamespace: true }, processes)
  }

  /**
   * Tells the handler where the container's facts have changed. What was in force stays so if it rejects.
   * @throws RefusedContainer where the container has an interface now at which nobody sees it.
   */
  async refresh(container: ContainerInspection): Promise<void> {
    const enforced = this.#enforced
    if (enforced === undefined) return
    const { place } = enforced
    if (enforced.isCutOff) {
      if (place.kind === 'container') await this.#surroundings.cutOff(place.namespace.path)
      return
    }
    const pu = await this.extract(container)
    if (pu === undefined) return
    const isolation = await refusing(false, () => this.#isolationOf({ container }, place))
    const runtime = this.#runtimeOf(container, { ...place, isolation }, pu)
    if (JSON.stringify(runtime) === JSON.stringify(enforced.runtime)) return
    this.#surroundings.handler.setPURuntime(this.contextID, runtime)
    // Facts for the resolver alone are no reason to enforce anew.
    if (deciding(runtime) !== deciding(enforced.runtime)) {
      await this.#surroundings.handler.handlePUEvent(this.contextID, 'start')
    }
    this.#enforced = { ...enforced, runtime }
  }

  /** Tells the handler that the PU has ended. Where that fails, another `stop` or `destroy` tries again. */
  async stop(): Promise<void> {
    this.#joined = undefined
    this.isPaused = false
    const enforced = this.#enforced
    if (enforced === undefined) return
    if (!enforced.isCutOff) await this.#surroundings.handler.handlePUEvent(this.contextID, 'stop')
    await this.release()
  }

  async destroy(): Promise<void> {
    await runAll([
      () => this.stop(),
      () => this.#surroundings.handler.handlePUEvent(this.contextID, 'destroy'),
      () => this.release(),
    ])
  }

  async note(event: 'create' | 'pause' | 'unpause'): Promise<void> {
    if (event !== 'create') this.isPaused = event === 'pause'
    if (event !== 'create' && this.#enforced === undefined) return
    await this.#surroundings.handler.handlePUEvent(this.contextID, event)
  }

  /** Forgets, and leaves in force what is. */
  async release(): Promise<void> {
    const place = this.#enforced?.place
    this.#enforced = undefined
    if (place?.kind === 'container') await place.namespace.close()
  }

  async #enforce(
    running: RunningContainer,
    place: Exclude<ContainerPlace, { kind: 'joined' }>,
    cutOffOnFailure: boolean,
  ): Promise<void> {
    const { container } = running
    const { handler } = this.#surroundings
    const namespace = place.kind === 'container' ? place.namespace : undefined
    let isRecorded = false
    let runtime: PURuntime = { ...NOBODY, kind: place.kind, isolation: place.isolation }
    try {
      const pu = await this.extract(container)
      if (pu === undefined) return await namespace?.close()
      const isolation = await this.#isolationOf(running, place)
      runtime = this.#runtimeOf(container, { ...place, isolation }, pu)
      handler.setPURuntime(this.contextID, runtime)
      isRecorded = true
      await handler.handlePUEvent(this.contextID, 'start')
      this.#enforced = { place, runtime, isCutOff: false }
    } catch (error) {
      await this.#enforceNothing(error, { place, runtime, isCutOff: true }, { cutOffOnFailure, isRecorded })
    }
  }

  /** After a failure: cuts the container off, or lets go of it. */
  async #enforceNothing(
    error: unknown,
    enforced: Enforced,
    { cutOffOnFailure, isRecorded }: { readonly cutOffOnFailure: boolean; readonly isRecorded: boolean },
  ): Promise<never> {
    const { place } = enforced
    const failures = [error]
    if (cutOffOnFailure && place.kind === 'container') {
      try {
        await this.#surroundings.cutOff(place.namespace.path)
        this.#enforced = enforced
      } catch (failure) {
        failures.push(failure)
      }
    }
    if (this.#enforced === undefined && place.kind === 'container') await place.namespace.close()
    const cause =
      failures.length === 1 ? error : new AggregateError(failures, failures.map(String).join('; '))
    throw new RefusedContainer(cause, { isRecorded, isCutOff: this.#enforced !== undefined })
  }

  async #isolationOf(
    { container, isHeldBack = false }: Pick<RunningContainer, 'container' | 'isHeldBack'>,
    place: Exclude<ContainerPlace, { kind: 'joined' }>,
  ): Promise<Isolation> {
    const { readInterfaces } = this.#surroundings
    if (place.kind !== 'container' || readInterfaces === undefined) return place.isolation
    const { path } = place.namespace
    const interfaces = await readInterfaces({ container, namespacePath: path, isHeldBack })
    return { by: 'interfaces', interfaces, netns: path }
  }

  #runtimeOf(
    container: ContainerInspection,
    { kind, identity, isolation }: Place,
    pu: ContainerPU,
  ): PURuntime {
    const { name, tags, ports, aliases, options } = pu
    const isOnHost = kind === 'linux-process'
    return {
      kind,
      name,
      pid: identity.pid,
      tags,
      ports: isOnHost ? (ports ?? exposedPorts(container)) : [],
      aliases: aliases ?? publishedAddresses(container),
      isolation,
      ...(this.#isNew && { isNew: true }),
      options: { ...containerFacts(container), ...options },
    }
  }
}

/** Lets a step's failure refuse the container. */
async function refusing<Result>(isRecorded: boolean, step: () => Promise<Result>): Promise<Result> {
  try {
    return await step()
  } catch (error) {
    throw new RefusedContainer(error, { isRecorded, isCutOff: false })
  }
}

/** What enforcement depends on. */
function deciding({ options: _, ...runtime }: PURuntime): string {
  return JSON.stringify(runtime)
}

const NOBODY = { name: '', tags: [], ports: [] } as const

function containerFacts(container: ContainerInspection): Readonly<Record<string, string>> {
  const networks = Object.entries(container.NetworkSettings.Networks).flatMap(([name, network]) =>
    [network.IPAddress, network.GlobalIPv6Address]
      .filter(Boolean)
      .map((address, i) => [`address${i === 0 ? '' : i + 1}:${name}`, String(address)]),
  )
  return { containerID: container.Id, ...Object.fromEntries(networks) }
}
