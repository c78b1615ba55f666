import { type PUContext, textOf } from './pu-context.js'

/** The PUs of one network namespace by the three ways in which a packet finds its own: one index, added and removed together. */
export class PUTable {
  readonly #byContext = new Map<string, PUContext>()
  readonly #byQueue = new Map<number, PUContext>()
  /** Those with addresses of their own; whoever got one last has it. */
  #byAddress: ReadonlyMap<string, PUContext> = new Map()

  /** Adds or replaces. */
  set(queueNumber: number, pu: PUContext): void {
    const before = this.#byContext.get(pu.contextID)?.ownAddresses
    const hasGained = [...(pu.ownAddresses ?? [])].some(address => !before?.has(address))
    if (hasGained) this.#byContext.delete(pu.contextID)
    this.#byContext.set(pu.contextID, pu)
    this.#byQueue.set(queueNumber, pu)
    this.#index()
  }

  remove(queueNumber: number, contextID: string): void {
    this.#byContext.delete(contextID)
    this.#byQueue.delete(queueNumber)
    this.#index()
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

  /** Whether a PU has addresses of its own. */
  get hasAddresses(): boolean {
    return this.#byAddress.size > 0
  }

  /** The PU whose own the address, of 16 bytes, is. */
  byAddress(address: Uint8Array): PUContext | undefined {
    return this.#byAddress.get(textOf(address))
  }

  /** The PU that accepts connections to the address, of 16 bytes, and port. */
  byEnd(address: Uint8Array, port: number): PUContext | undefined {
    const owner = this.#byAddress.size > 0 ? this.byAddress(address) : undefined
    if (owner) return owner
    for (const pu of this.#byContext.values()) if (pu.accepts(address, port)) return pu
    return undefined
  }

  /** The PU as it is now: what a flow holds may be of an earlier policy. */
  current(pu: PUContext): PUContext | undefined {
    return this.#byContext.get(pu.contextID)
  }

  #index(): void {
    const owned = this.all().flatMap(pu => [...(pu.ownAddresses ?? [])].map(each => [each, pu] as const))
    this.#byAddress = new Map(owned)
  }
}
