import {
  canonicalTags,
  SHORT_TAG_BYTES,
  type ShortTags,
  shortenTags,
  type Tag,
  type Tags,
} from '@trireme/core'
import type { RecordReader } from './record-reader.js'
import { RecordWriter } from './record-writer.js'

const NOTHING = Buffer.alloc(0)

/**
 * Tags in full, strictly ascending by key, then by value, compared as bytes; undefined where they need more than `room`
 * bytes.
 *
 *      bytes
 *     +------+------------------------------------------------------------+
 *     | L    | number of tags; then each tag:                             |
 *     | L, n |   key                                                      |
 *     | L, n |   value                                                    |
 *     +------+------------------------------------------------------------+
 */
export function writeTags(tags: Tags, room: number): Uint8Array | undefined {
  const canonical = canonicalTags(tags)
  // Asked before anything is written: a text may be longer than a length can say.
  const texts = canonical.reduce((sum, tag) => sum + Buffer.byteLength(tag.key + tag.value), 0)
  if (texts > room && canonical.length > 0) return undefined
  const writer = new RecordWriter()
  writer.length(canonical.length)
  for (const tag of canonical) {
    writer.text(tag.key)
    writer.text(tag.value)
  }
  const bytes = writer.finish()
  return bytes.length > room && canonical.length > 0 ? undefined : bytes
}

/** Reads what `writeTags` writes, and spoils the reader for anything else. */
export function readTags(reader: RecordReader): Tag[] {
  const tags: Tag[] = []
  let previous: { key: Buffer; value: Buffer } = { key: NOTHING, value: NOTHING }
  for (let count = reader.length(); count > 0 && reader.isIntact; count--) {
    const current = { key: reader.utf8(), value: reader.utf8() }
    const order = Buffer.compare(previous.key, current.key) || Buffer.compare(previous.value, current.value)
    if (order >= 0) reader.spoil()
    tags.push({ key: current.key.toString(), value: current.value.toString() })
    previous = current
  }
  return tags
}

/**
 * At least one tag by hashes, 20 bytes where each key has one value. Both lists strictly ascending.
 *
 *      bytes
 *     +------+------------------------------------------------------------+
 *     | L    | number of keys, then each:                                 |
 *     | 10   |   hash of the key                                          |
 *     | L    | number of tags, not less than of keys, then each:          |
 *     | 10   |   hash of key and value                                    |
 *     +------+------------------------------------------------------------+
 */
export function writeShortTags(tags: Tags): Uint8Array {
  const shortTags = shortenTags(tags)
  const writer = new RecordWriter()
  for (const hashes of [shortTags.keys, shortTags.tags]) {
    writer.length(hashes.size)
    for (const hash of [...hashes].sort()) writer.bytes(Buffer.from(hash, 'hex'))
  }
  return writer.finish()
}

/** Reads what `writeShortTags` writes, and spoils the reader for anything else. */
export function readShortTags(reader: RecordReader): ShortTags {
  const shortTags = { keys: readHashes(reader), tags: readHashes(reader) }
  if (shortTags.keys.size === 0 || shortTags.keys.size > shortTags.tags.size) reader.spoil()
  return shortTags
}

function readHashes(reader: RecordReader): ReadonlySet<string> {
  const hashes = new Set<string>()
  let previous = ''
  for (let count = reader.length(); count > 0 && reader.isIntact; count--) {
    const hash = reader.bytes(SHORT_TAG_BYTES).toString('hex')
    if (hash <= previous) reader.spoil()
    hashes.add(hash)
    previous = hash
  }
  return hashes
}
