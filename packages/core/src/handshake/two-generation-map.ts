/**
 * A map bounded in entries: when the young generation is full it becomes the old one, and what was old is forgotten.
 * A value that is found in the old generation is young again. Every operation costs the same whatever the size.
 */
export class TwoGenerationMap<K, V> {
  readonly #capacity: number
  #young = new Map<K, V>()
  #old = new Map<K, V>()

  /** Holds between `capacity / 2` and `capacity` of the latest entries. */
  constructor(capacity: number) {
    this.#capacity = Math.max(1, Math.floor(capacity / 2))
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: K, value: V): void {
    if (this.#young.size >= this.#capacity && !this.#young.has(key)) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, value)
  }

  delete(key: K): void {
    this.#young.delete(key)
    this.#old.delete(key)
  }

  clear(): void {
    this.#young.clear()
    this.#old.clear()
  }

  /** All values, in no order. */
  *values(): Iterable<V> {
    yield* this.#young.values()
    for (const [key, value] of this.#old) if (!this.#young.has(key)) yield value
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }
}
