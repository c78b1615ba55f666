import { createHash } from 'node:crypto'
import type { KeyValueOperator, TagSelector } from './policy.js'
import { isReservedTagKey, type Tag, type Tags } from './tags.js'

/** What is left of a hash in a shortened tag: 80 bits, which nobody can search for a second tag with the same. */
export const SHORT_TAG_BYTES = 10

/**
 * Tags by their hashes alone, each 20 hex digits in lower case. They can be compared with what a rule lists, but not read:
 * a prefix cannot be looked for in them.
 */
export interface ShortTags {
  /** Of the keys, by `shortenKey`. */
  readonly keys: ReadonlySet<string>
  /** Of key and value, by `shortenTag`. */
  readonly tags: ReadonlySet<string>
}

/** The first 10 bytes of SHA-256 over key and value, each UTF-8 behind its length in four bytes, big endian; in hex. */
export function shortenTag({ key, value }: Tag): string {
  return shortHash([key, value])
}

/** The same over the key alone. */
export function shortenKey(key: string): string {
  return shortHash([key])
}

export function shortenTags(tags: Tags): ShortTags {
  return { keys: new Set(tags.map(tag => shortenKey(tag.key))), tags: new Set(tags.map(shortenTag)) }
}

/**
 * The clauses that shortened tags may leave open because they list a prefix. An open clause does not hold in a rule that
 * accepts, and holds in a rule that rejects; one that only observes lets pass, and reports, what it would reject.
 */
export function prefixClauses(rule: TagSelector): readonly KeyValueOperator[] {
  return rule.clauses.filter(
    ({ key, operator, values }) =>
      (operator === '=' || operator === '=!') &&
      !isReservedTagKey(key) &&
      !values.includes('*') &&
      values.some(value => value.endsWith('*')),
  )
}

function shortHash(texts: readonly string[]): string {
  const hash = createHash('sha256')
  for (const text of texts) {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(Buffer.byteLength(text))
    hash.update(length).update(text)
  }
  return hash.digest('hex').slice(0, 2 * SHORT_TAG_BYTES)
}
