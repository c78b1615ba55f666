import type { ProcessingUnitsHandler, PUEvent, PURuntime } from '@trireme/core'
import { eventually } from '../harness/eventually.js'

/** One event as the handler got it, with the runtime that it knew then. */
export interface RecordedEvent {
  readonly contextID: string
  readonly event: PUEvent
  readonly runtime: PURuntime | undefined
  /** `performance.now()` when the event was answered. */
  readonly at: number
}

/** A handler that enforces nothing and remembers everything. */
export class RecordedPUs implements ProcessingUnitsHandler {
  readonly events: RecordedEvent[] = []
  readonly #runtimes = new Map<string, PURuntime>()
  /** What a PU's `start` rejects with. */
  refuse: (runtime: PURuntime | undefined) => Error | undefined = () => undefined
  /** What a `start` waits for. */
  hold: (runtime: PURuntime | undefined) => Promise<void> = async () => {}

  setPURuntime(contextID: string, runtime: PURuntime): void {
    this.#runtimes.set(contextID, runtime)
  }

  async handlePUEvent(contextID: string, event: PUEvent): Promise<void> {
    const runtime = this.#runtimes.get(contextID)
    if (event === 'start') await this.hold(runtime)
    const refusal = event === 'start' ? this.refuse(runtime) : undefined
    this.events.push({ contextID, event, runtime, at: performance.now() })
    if (refusal !== undefined) throw refusal
  }

  runtimeOf(containerID: string): PURuntime | undefined {
    return this.#runtimes.get(containerID.slice(0, 12))
  }

  /** The events of one container, in order. */
  of(containerID: string): readonly PUEvent[] {
    const contextID = containerID.slice(0, 12)
    return this.events.filter(each => each.contextID === contextID).map(({ event }) => event)
  }

  /** Waits until the container has had that many events of that kind. */
  async until(containerID: string, event: PUEvent, count = 1): Promise<void> {
    await eventually(
      `${count} × ${event} of ${containerID.slice(0, 12)}`,
      () => this.of(containerID).filter(each => each === event).length >= count,
    ).catch(error => {
      throw new Error(`events were ${this.of(containerID).join(', ')}`, { cause: error })
    })
  }
}
