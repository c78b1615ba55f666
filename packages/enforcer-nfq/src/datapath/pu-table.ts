import type { PUContext } from './pu-context.js'

/** The PUs of one network namespace by the three ways in which a packet finds its own: one index, added and removed together. */
export class PUTable {
  readonly #byContext = new Map<string, PUContext>()
  readonly #byQueue = new Map<number, PUContext>()

  /** Adds or replaces. */
  set(queueNumber: number, pu: PUContext): void {
    this.#byContext.set(pu.contextID, pu)
    this.#byQueue.set(queueNumber, pu)
  }

  remove(queueNumber: number, contextID: string): void {
    this.#byContext.delete(contextID)
    this.#byQueue.delete(queueNumber)
  }

  all(): readonly PUContext[] {
    return [...this.#byContext.values()]
  }

  byContext(contextID: string): PUContext | undefined {
    return this.#byContext.get(contextID)
  }

  byQueue(queueNumber: number): PUContext | undefined {
    return this.#byQueue.get(queueNumber)
  }

  /** The PU that accepts connections on the port. */
  byPort(port: number): PUContext | undefined {
    for (const pu of this.#byContext.values()) if (pu.acceptsOnPort(port)) return pu
    return undefined
  }

  /** The PU as it is now: what a flow holds may be of an earlier policy. */
  current(pu: PUContext): PUContext | undefined {
    return this.#byContext.get(pu.contextID)
  }
}
