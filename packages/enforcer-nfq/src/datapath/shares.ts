/**
 * Items of many owners in one bounded place, each owner's eldest first: whoever has the most gives way first, so that nobody crowds
 * out those who have little.
 */
export class Shares<Item> {
  readonly #ownerOf: (item: Item) => string
  readonly #byOwner = new Map<string, Set<Item>>()
  /** Owners by the number of binary digits of how many items they have. */
  readonly #bySize = Array.from({ length: 33 }, () => new Set<string>())
  #size = 0

  constructor(ownerOf: (item: Item) => string) {
    this.#ownerOf = ownerOf
  }

  get size(): number {
    return this.#size
  }

  add(item: Item): void {
    const owner = this.#ownerOf(item)
    const items = this.#byOwner.get(owner) ?? new Set()
    this.#byOwner.set(owner, items)
    this.#change(owner, items, () => items.add(item))
  }

  remove(item: Item): void {
    const owner = this.#ownerOf(item)
    const items = this.#byOwner.get(owner)
    if (!items?.has(item)) return
    this.#change(owner, items, () => items.delete(item))
    if (items.size === 0) this.#byOwner.delete(owner)
  }

  /** The owner's eldest item, if it has `atLeast` so many. */
  eldestOf(owner: string, atLeast: number): Item | undefined {
    const items = this.#byOwner.get(owner)
    return items && items.size >= atLeast ? items.values().next().value : undefined
  }

  /** The eldest item of an owner that none has more than twice as many items as. */
  eldestOfFullest(): Item | undefined {
    const owners = this.#bySize.findLast(each => each.size > 0)
    const owner = owners?.values().next().value
    return owner === undefined ? undefined : this.eldestOf(owner, 1)
  }

  #change(owner: string, items: Set<Item>, step: () => void): void {
    const before = items.size
    step()
    this.#size += items.size - before
    this.#bySize[digits(before)]?.delete(owner)
    if (items.size > 0) this.#bySize[digits(items.size)]?.add(owner)
  }
}

function digits(number: number): number {
  return 32 - Math.clz32(number)
}
