import type { TagSelector } from './policy.js'
import { type ShortTags, shortenKey, shortenTag } from './short-tags.js'
import { isReservedTagKey, type Tag, type Tags } from './tags.js'

/**
 * The value that stands for those that a shortened tag may have and no rule lists. No identity has it: a lone surrogate
 * has no form in UTF-8. A clause that a prefix leaves open lists it where that keeps a peer out.
 */
export const OPEN_VALUE = '\udfff'

/** Reads out of shortened tags what a list of rules can tell: the keys and the values that it names. */
export class ShortTagReader {
  readonly #keys = new Map<string, string>()
  readonly #tags = new Map<string, Tag>()
  readonly #known = new WeakMap<ShortTags, Tags>()

  constructor(rules: readonly TagSelector[]) {
    for (const { key, values } of rules.flatMap(rule => rule.clauses)) {
      // Only the verifier says tags under reserved keys, and in full: what a record's hashes claim of them is not read.
      if (isReservedTagKey(key)) continue
      this.#keys.set(shortenKey(key), key)
      for (const value of values) {
        const tag = { key, value }
        this.#tags.set(shortenTag(tag), tag)
      }
    }
  }

  /**
   * Tags that satisfy the exact and the exists clauses of these rules just as the shortened ones do. A key that may have
   * yet another value than those read has `OPEN_VALUE`, too.
   */
  read(shortTags: ShortTags): Tags {
    const known = this.#known.get(shortTags)
    if (known) return known
    const tags = [...shortTags.tags].flatMap(hash => this.#tags.get(hash) ?? [])
    const isSingleValued = shortTags.keys.size === shortTags.tags.size
    const settled = new Set(isSingleValued ? tags.map(tag => tag.key) : [])
    for (const hash of shortTags.keys) {
      const key = this.#keys.get(hash)
      if (key !== undefined && !settled.has(key)) tags.push({ key, value: OPEN_VALUE })
    }
    this.#known.set(shortTags, tags)
    return tags
  }
}
