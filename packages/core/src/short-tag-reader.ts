import type { TagSelector } from './policy.js'
import { type ShortTags, shortenKey, shortenTag } from './short-tags.js'
import { isReservedTagKey, type Tag, type Tags } from './tags.js'

/** A tag as the rules see it. */
export interface SeenTag extends Tag {
  /**
   * It travelled shortened. The value is one that some rule lists, or `UNREAD`: a prefix must not be looked for in it, or a
   * decision would depend on what other rules happen to list.
   */
  readonly isShort?: true
}

export type SeenTags = readonly SeenTag[]

/** The value of a tag whose hash no rule lists. No identity has it: a lone surrogate has no form in UTF-8. */
export const UNREAD = '\udfff'

/** Reads out of shortened tags what a list of rules can tell: the keys and the values that it names. */
export class ShortTagReader {
  readonly #keys = new Map<string, string>()
  readonly #tags = new Map<string, SeenTag>()
  readonly #known = new WeakMap<ShortTags, SeenTags>()

  constructor(rules: readonly TagSelector[]) {
    for (const { key, values } of rules.flatMap(rule => rule.clauses)) {
      // Only the verifier says tags under reserved keys, and in full: what a record's hashes claim of them is not read.
      if (isReservedTagKey(key)) continue
      this.#keys.set(shortenKey(key), key)
      for (const value of values) {
        const tag = { key, value, isShort: true } as const
        this.#tags.set(shortenTag(tag), tag)
      }
    }
  }

  /** A tag for each listed key and value among the shortened ones, and an unread one for a listed key without such a value. */
  read(shortTags: ShortTags): SeenTags {
    const known = this.#known.get(shortTags)
    if (known) return known
    const tags = [...shortTags.tags].flatMap(hash => this.#tags.get(hash) ?? [])
    const read = new Set(tags.map(tag => tag.key))
    for (const hash of shortTags.keys) {
      const key = this.#keys.get(hash)
      if (key !== undefined && !read.has(key)) tags.push({ key, value: UNREAD, isShort: true })
    }
    this.#known.set(shortTags, tags)
    return tags
  }
}

/** The tags that can be shown to people: those in full, or of shortened ones those that the rules list. */
export function readableTags(tags: SeenTags): Tags {
  return tags.filter(({ value }) => value !== UNREAD).map(({ key, value }) => ({ key, value }))
}
