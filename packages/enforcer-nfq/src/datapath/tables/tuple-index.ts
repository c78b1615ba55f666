import { TUPLE_WORDS, TupleHash } from './tuple-hash.js'

const FIRST_CAPACITY = 64

/**
 * Finds slots by tuple: open addressing with linear probing over typed arrays, at most half full. A tuple has one slot. Capacity
 * doubles as it is needed, up to `maxSlots`; a slot keeps its number.
 */
export class TupleIndex {
  readonly #hash = new TupleHash()
  readonly #maxSlots: number
  /** Slot + 1 by place; 0 is empty. */
  #places: Int32Array
  #tuples: Uint32Array
  #hashes: Uint32Array
  /** The next free slot by free slot; -1 ends. */
  #nextFree: Int32Array
  #firstFree = -1
  #used = 0
  size = 0

  /** `maxSlots` is a power of two, at least 64. */
  constructor(maxSlots: number) {
    this.#maxSlots = maxSlots
    this.#places = new Int32Array(2 * FIRST_CAPACITY)
    this.#tuples = new Uint32Array(TUPLE_WORDS * FIRST_CAPACITY)
    this.#hashes = new Uint32Array(FIRST_CAPACITY)
    this.#nextFree = new Int32Array(FIRST_CAPACITY)
  }

  /** Slots below this number are or were in use: what else is kept by slot needs this much room. */
  get capacity(): number {
    return this.#hashes.length
  }

  get isFull(): boolean {
    return this.size >= this.#maxSlots
  }

  /** The tuple's slot; -1 if it has none. */
  find(tuple: Uint32Array): number {
    const hash = this.#hash.of(tuple)
    const mask = this.#places.length - 1
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const slot = this.#places[place]! - 1
      if (slot === -1) return -1
      if (this.#hashes[slot] === hash && this.#isAt(slot, tuple)) return slot
    }
  }

  /** A slot for a tuple that has none; -1 where all are taken. */
  add(tuple: Uint32Array): number {
    if (this.isFull) return -1
    if (this.size === this.capacity) this.#grow()
    const slot = this.#takeSlot()
    this.#tuples.set(tuple, slot * TUPLE_WORDS)
    this.#hashes[slot] = this.#hash.of(tuple)
    this.#put(slot)
    this.size++
    return slot
  }

  /** Frees the slot. What follows in its run moves up, so that no place marks what was. */
  remove(slot: number): void {
    const mask = this.#places.length - 1
    let hole = this.#placeOf(slot)
    for (let place = (hole + 1) & mask; this.#places[place] !== 0; place = (place + 1) & mask) {
      const home = this.#hashes[this.#places[place]! - 1]! & mask
      if (((place - home) & mask) < ((place - hole) & mask)) continue
      this.#places[hole] = this.#places[place]!
      hole = place
    }
    this.#places[hole] = 0
    this.#nextFree[slot] = this.#firstFree
    this.#firstFree = slot
    this.size--
  }

  #isAt(slot: number, tuple: Uint32Array): boolean {
    const at = slot * TUPLE_WORDS
    for (let index = 0; index < TUPLE_WORDS; index++)
      if (this.#tuples[at + index] !== tuple[index]) return false
    return true
  }

  #takeSlot(): number {
    if (this.#firstFree === -1) return this.#used++
    const slot = this.#firstFree
    this.#firstFree = this.#nextFree[slot]!
    return slot
  }

  #put(slot: number): void {
    const mask = this.#places.length - 1
    let place = this.#hashes[slot]! & mask
    while (this.#places[place] !== 0) place = (place + 1) & mask
    this.#places[place] = slot + 1
  }

  #placeOf(slot: number): number {
    const mask = this.#places.length - 1
    let place = this.#hashes[slot]! & mask
    while (this.#places[place] !== slot + 1) place = (place + 1) & mask
    return place
  }

  /** Only when every slot is taken. */
  #grow(): void {
    const capacity = Math.min(this.#maxSlots, 2 * this.capacity)
    this.#tuples = grownWords(this.#tuples, TUPLE_WORDS * capacity)
    this.#hashes = grownWords(this.#hashes, capacity)
    this.#nextFree = grownLinks(this.#nextFree, capacity)
    this.#places = new Int32Array(2 * capacity)
    for (let slot = 0; slot < this.#used; slot++) this.#put(slot)
  }
}

function grownWords(array: Uint32Array, length: number): Uint32Array {
  const grown = new Uint32Array(length)
  grown.set(array)
  return grown
}

function grownLinks(array: Int32Array, length: number): Int32Array {
  const grown = new Int32Array(length)
  grown.set(array)
  return grown
}
