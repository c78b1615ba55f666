/**
 * Doubly linked lists of slots over typed arrays, each in the order of adding. A slot is on one list at most. Room for slots grows as
 * they come.
 */
export class SlotLists {
  readonly #firsts: Int32Array
  readonly #lasts: Int32Array
  /** List + 1 by slot; 0 is on none. */
  #listOf = new Int32Array(0)
  #next = new Int32Array(0)
  #previous = new Int32Array(0)

  constructor(lists: number) {
    this.#firsts = new Int32Array(lists).fill(-1)
    this.#lasts = new Int32Array(lists).fill(-1)
  }

  /** The list's oldest slot; -1 of an empty one. */
  first(list: number): number {
    return this.#firsts[list]!
  }

  /** The slot that was added to the same list after this one; -1 after the last. */
  after(slot: number): number {
    return this.#next[slot]!
  }

  /** Puts the slot at the end of the list, and off the one that it was on. */
  add(list: number, slot: number): void {
    if (slot >= this.#listOf.length) this.#makeRoom(slot + 1)
    this.remove(slot)
    const last = this.#lasts[list]!
    this.#previous[slot] = last
    this.#next[slot] = -1
    if (last === -1) this.#firsts[list] = slot
    else this.#next[last] = slot
    this.#lasts[list] = slot
    this.#listOf[slot] = list + 1
  }

  /** Takes the slot off its list, if it is on one. */
  remove(slot: number): void {
    const list = this.#listOf[slot]! - 1
    if (list === -1) return
    const [previous, next] = [this.#previous[slot]!, this.#next[slot]!]
    if (previous === -1) this.#firsts[list] = next
    else this.#next[previous] = next
    if (next === -1) this.#lasts[list] = previous
    else this.#previous[next] = previous
    this.#listOf[slot] = 0
  }

  #makeRoom(slots: number): void {
    const length = Math.max(64, 2 ** Math.ceil(Math.log2(slots)))
    this.#listOf = grown(this.#listOf, length)
    this.#next = grown(this.#next, length)
    this.#previous = grown(this.#previous, length)
  }
}

function grown(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(length)
  copy.set(array)
  return copy
}
