import { KernelError } from '@trireme/core'
import type { ContainerAction, ContainerEvent } from './container-event.js'
import { type ContainerInspection, parseInspection } from './container-inspection.js'
import type { Engine, EngineConnector, EventStream, ListedContainer } from './engine.js'

interface Subscriber {
  readonly onEvent: (event: ContainerEvent) => void
  readonly end: (error?: Error) => void
}

interface Held {
  readonly released: Promise<void>
  readonly release: () => void
}

/** What a container is made of; the rest is as the engine's defaults have it. */
export interface ContainerFacts {
  readonly name?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly networkMode?: string
}

/** A Docker Engine that runs nothing: tests tell it what its containers do. */
export class InMemoryEngine {
  readonly #containers = new Map<string, ContainerInspection>()
  readonly #log: ContainerEvent[] = []
  readonly #subscribers = new Set<Subscriber>()
  readonly #held = new Map<string, Held>()
  /** Where its containers' files would be. */
  rootFolder = '/nowhere'
  /** Containers that were killed, in order. */
  readonly killed: string[] = []
  /** What inspections of a container fail with. */
  readonly failures = new Map<string, Error>()
  #isUp = true
  #lastNano = 1_000n
  #made = 0

  /** Connects to it. */
  readonly connect: EngineConnector = async () => {
    this.#requireUp('GET /version')
    return {
      apiVersion: '1.41',
      rootFolder: this.rootFolder,
      timeNano: this.#lastNano + 1n,
      subscribe: async (sinceNano, onEvent) => this.#subscribe(sinceNano, onEvent),
      list: async () => this.#list(),
      inspect: async (id, signal) => this.#inspect(id, signal),
      kill: async id => {
        this.#requireUp('POST kill')
        this.killed.push(id)
        if (this.#containers.get(id)?.State.Running) this.die(id)
      },
      close: () => {},
    } satisfies Engine
  }

  /** Answers with the container's ID. */
  create({ name = 'box', labels = {}, networkMode = 'default' }: ContainerFacts = {}): string {
    this.#made += 1
    const id = this.#made.toString(16).padStart(12, '0').padEnd(64, '0')
    const facts = {
      Id: id,
      Name: `/${name}`,
      State: { Running: false, Paused: false, Pid: 0 },
      Config: { Image: 'box', Labels: labels },
      HostConfig: { NetworkMode: networkMode },
      NetworkSettings: {},
    }
    this.#containers.set(id, parseInspection(facts))
    this.emit(id, 'create')
    return id
  }

  start(id: string, pid: number): void {
    this.#change(id, { Running: true, Paused: false, Pid: pid })
    this.emit(id, 'start')
  }

  die(id: string): void {
    this.#change(id, { Running: false, Paused: false, Pid: 0 })
    this.emit(id, 'die')
  }

  pause(id: string): void {
    this.#change(id, { ...this.#containers.get(id)!.State, Paused: true })
    this.emit(id, 'pause')
  }

  destroy(id: string): void {
    this.#containers.delete(id)
    this.emit(id, 'destroy')
  }

  /** Tells of an event, whatever the truth. */
  emit(containerID: string, action: ContainerAction): void {
    this.#lastNano += 1n
    const event = { containerID, action, timeNano: this.#lastNano }
    this.#log.push(event)
    for (const { onEvent } of this.#subscribers) onEvent(event)
  }

  /** Inspections of the container wait, as they do while it is being started. Returns how to let them go on. */
  hold(id: string): () => void {
    let release = () => {}
    const released = new Promise<void>(resolve => {
      release = resolve
    })
    this.#held.set(id, { released, release })
    return () => {
      this.#held.delete(id)
      release()
    }
  }

  /** The engine ends; its containers run on. */
  goDown(): void {
    this.#isUp = false
    for (const { end } of [...this.#subscribers]) end()
  }

  /** @param isForgetful it knows no more what has happened before. */
  comeBack(isForgetful = true): void {
    if (isForgetful) this.#log.length = 0
    this.#isUp = true
  }

  #subscribe(sinceNano: bigint, onEvent: (event: ContainerEvent) => void): EventStream {
    this.#requireUp('GET /events')
    let end!: (error?: Error) => void
    const ended = new Promise<void>((resolve, reject) => {
      end = error => {
        this.#subscribers.delete(subscriber)
        if (error === undefined) resolve()
        else reject(error)
      }
    })
    const subscriber = { onEvent, end }
    this.#subscribers.add(subscriber)
    for (const event of this.#log) if (event.timeNano >= sinceNano) onEvent(event)
    return { ended, close: () => end() }
  }

  #list(): readonly ListedContainer[] {
    this.#requireUp('GET /containers/json')
    return [...this.#containers.values()].map(({ Id, State }) => ({
      id: Id,
      state: State.Paused ? 'paused' : State.Running ? 'running' : 'exited',
    }))
  }

  async #inspect(id: string, signal?: AbortSignal): Promise<ContainerInspection | undefined> {
    this.#requireUp('GET /containers')
    const held = this.#held.get(id)
    if (held !== undefined) await Promise.race([held.released, rejectedBy(signal)])
    const failure = this.failures.get(id)
    if (failure !== undefined) throw failure
    return this.#containers.get(id)
  }

  #change(id: string, state: ContainerInspection['State']): void {
    this.#containers.set(id, { ...this.#containers.get(id)!, State: state })
  }

  #requireUp(op: string): void {
    if (!this.#isUp) throw new KernelError({ op, errno: 'ECONNREFUSED' })
  }
}

function rejectedBy(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(new KernelError({ op: 'GET', errno: 'ABORT_ERR' })))
  })
}
