import type { ContainerEvent } from './container-event.js'
import type { ContainerInspection } from './container-inspection.js'

/** A container as a listing shows it. */
export interface ListedContainer {
  readonly id: string
  readonly state: 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead'
}

/** A subscription: events in the order in which they happened. */
export interface EventStream {
  /** Settles when no more will come; rejects with why, resolves where `close` was called or the engine ended the answer. */
  readonly ended: Promise<void>
  close(): void
}

/** What the monitor needs of a Docker Engine. Calls reject with `KernelError`, whose errno says what kind. */
export interface Engine {
  /** `1.41` */
  readonly apiVersion: string
  /** Where the engine keeps its data: `/var/lib/docker`. */
  readonly rootFolder: string
  /** Nanoseconds since 1970 by the engine's clock, when the connection was made. */
  readonly timeNano: bigint
  /** All events after `sinceNano` that the engine remembers, then those to come. Resolves when the subscription stands. */
  subscribe(sinceNano: bigint, onEvent: (event: ContainerEvent) => void): Promise<EventStream>
  /** All containers, those that do not run among them. */
  list(): Promise<readonly ListedContainer[]>
  /** Undefined where there is no such container. Blocks while that container is being started or stopped. */
  inspect(containerID: string, signal?: AbortSignal): Promise<ContainerInspection | undefined>
  /** SIGKILL, and no restart by the engine. Resolves at once where it does not run or is gone. */
  kill(containerID: string): Promise<void>
  close(): void
}

/** Makes a connection to the engine; each call a new one. */
export type EngineConnector = (signal: AbortSignal) => Promise<Engine>
