/** An item's place among its owner's. */
export interface Place<Item> {
  readonly item: Item
  readonly share: Share<Item>
  older: Place<Item> | undefined
  newer: Place<Item> | undefined
}

interface Share<Item> {
  readonly owner: string
  size: number
  oldest: Place<Item> | undefined
  newest: Place<Item> | undefined
}

/** Items of many owners in one bounded table, each owner's in order of age. Every operation costs the same whatever the size. */
export class FairShares<Item> {
  readonly #byOwner = new Map<string, Share<Item>>()
  /** Shares by the number of binary digits of their sizes. */
  readonly #bySize = Array.from({ length: 33 }, () => new Set<Share<Item>>())
  size = 0

  add(owner: string, item: Item): Place<Item> {
    const share = this.#byOwner.get(owner) ?? this.#open(owner)
    const place: Place<Item> = { item, share, older: share.newest, newer: undefined }
    if (share.newest) share.newest.newer = place
    else share.oldest = place
    share.newest = place
    this.#resize(share, 1)
    return place
  }

  remove({ share, older, newer }: Place<Item>): void {
    if (older) older.newer = newer
    else share.oldest = newer
    if (newer) newer.older = older
    else share.newest = older
    this.#resize(share, -1)
    if (share.size === 0) this.#byOwner.delete(share.owner)
  }

  sizeOf(owner: string): number {
    return this.#byOwner.get(owner)?.size ?? 0
  }

  oldestOf(owner: string): Item | undefined {
    return this.#byOwner.get(owner)?.oldest?.item
  }

  newestOf(owner: string): Item | undefined {
    return this.#byOwner.get(owner)?.newest?.item
  }

  /** An owner that, within a factor of two, has most. */
  fullest(): string | undefined {
    const shares = this.#bySize.findLast(each => each.size > 0)
    return shares?.values().next().value?.owner
  }

  /** Whether no owner has more than twice as many. */
  isGreediest(owner: string): boolean {
    const most = this.#bySize.findLastIndex(each => each.size > 0)
    return digits(this.sizeOf(owner)) >= most
  }

  #open(owner: string): Share<Item> {
    const share = { owner, size: 0, oldest: undefined, newest: undefined }
    this.#byOwner.set(owner, share)
    return share
  }

  #resize(share: Share<Item>, by: number): void {
    const before = digits(share.size)
    share.size += by
    this.size += by
    const after = digits(share.size)
    if (before === after) return
    this.#bySize[before]!.delete(share)
    if (after > 0) this.#bySize[after]!.add(share)
  }
}

function digits(number: number): number {
  return 32 - Math.clz32(number)
}
