import {
  canonicalTags,
  EPHEMERAL_KEY_BYTES,
  type RecordClaims,
  type RecordSigner,
  type Tag,
} from '@trireme/core'
import { MAX_LENGTH, RecordReader } from './record-reader.js'
import { RecordWriter } from './record-writer.js'

/** What a signer says of itself in the record. */
export type RecordSignerNames = Pick<RecordSigner, 'algorithm' | 'keyID' | 'credential'>

/** A record taken apart. Nothing refers to the bytes that were read, but for `signed` and `signature`. */
export interface DecodedRecord {
  readonly claims: RecordClaims
  readonly algorithm: RecordSigner['algorithm']
  readonly keyID: string
  readonly credential: Uint8Array | undefined
  /** All bytes before the signature. */
  readonly signed: Uint8Array
  /** All bytes from there on: whether they are as many as the algorithm's signature has is yet to be asked. */
  readonly signature: Uint8Array
}

const VERSION = 1
const ALGORITHMS = ['none', 'HS256', 'ES256'] as const
const KEY_ID_BYTES = 8
const KEY_ID = /^[0-9a-f]{16}$/
const MAX_TIME = 0xffff_ffff
const NOTHING = Buffer.alloc(0)

/**
 * The body of a record: everything but its signature. Claims and signer must be free of `encodingFault`.
 *
 *      bytes
 *     +------+------------------------------------------------------------+
 *     | 1    | version: 1                                                 |
 *     | 1    | flags (high 4 bits, all 0) and algorithm (low 4 bits):     |
 *     |      |   0 none, 1 HS256, 2 ES256                                 |
 *     | 8    | key ID                                                     |
 *     | 32   | ephemeral key (X25519, RFC 7748)                           |
 *     | 4    | not before, seconds since 1970                             |
 *     | 4    | not after                                                  |
 *     | L, n | issuer                                                     |
 *     | L, n | PU ID                                                      |
 *     | L    | number of tags; then each tag:                             |
 *     | L, n |   key                                                      |
 *     | L, n |   value                                                    |
 *     | L, n | the signer's credential; empty where it does not travel    |
 *     +------+------------------------------------------------------------+
 *     | 32   | HS256: HMAC-SHA256 (RFC 2104), not truncated               |
 *     | 64   | ES256: ECDSA P-256 with SHA-256 (FIPS 186-5), r ‖ s, low s |
 *     | 0    | none                                                       |
 *     +------+------------------------------------------------------------+
 *
 * Signed is `"trireme/1 record binary" ‖ 0x00 ‖ body`. Integers are big endian. L, a length or a count, is one byte up to
 * 127, else two bytes with the top bit set, up to 32,767; never two where one will do. Texts are UTF-8. Tags are strictly
 * ascending by key, then by value, compared as bytes. So an identity has one form, and any other is refused.
 */
export function encodeRecord(claims: RecordClaims, signer: RecordSignerNames): Uint8Array {
  const writer = new RecordWriter()
  writer.uint8(VERSION)
  writer.uint8(ALGORITHMS.indexOf(signer.algorithm))
  writer.bytes(Buffer.from(signer.keyID, 'hex'))
  writer.bytes(claims.ephemeralKey)
  writer.uint32(claims.notBefore)
  writer.uint32(claims.notAfter)
  writer.text(claims.issuer)
  writer.text(claims.puID)
  const tags = canonicalTags(claims.tags)
  writer.length(tags.length)
  for (const tag of tags) {
    writer.text(tag.key)
    writer.text(tag.value)
  }
  writer.block(signer.credential ?? NOTHING)
  return writer.finish()
}

/** What this form cannot carry, as a phrase that names it and the limit; undefined where all can be encoded. */
export function encodingFault(claims: RecordClaims, signer: RecordSignerNames): string | undefined {
  if (!KEY_ID.test(signer.keyID)) {
    return `the signer's key ID is ${JSON.stringify(signer.keyID)}, expected 16 hex digits in lower case`
  }
  if (claims.notBefore > MAX_TIME || claims.notAfter > MAX_TIME) {
    return `notBefore is ${claims.notBefore} and notAfter ${claims.notAfter}, expected at most ${MAX_TIME}`
  }
  if (claims.tags.length > MAX_LENGTH) {
    return `${claims.tags.length} tags, expected at most ${MAX_LENGTH}`
  }
  return (
    lengthFault('puID', Buffer.byteLength(claims.puID)) ??
    lengthFault("the signer's credential", signer.credential?.length ?? 0) ??
    claims.tags.map(tagFault).find(fault => fault !== undefined)
  )
}

/** Takes a record apart, strictly; undefined for bytes that no record begins with. */
export function decodeRecord(record: Uint8Array): DecodedRecord | undefined {
  const reader = new RecordReader(record)
  if (reader.uint8() !== VERSION) return undefined
  const algorithm = ALGORITHMS[reader.uint8()]
  const keyID = reader.bytes(KEY_ID_BYTES).toString('hex')
  const ephemeralKey = Uint8Array.from(reader.bytes(EPHEMERAL_KEY_BYTES))
  const notBefore = reader.uint32()
  const notAfter = reader.uint32()
  const issuer = reader.text()
  const puID = reader.text()
  const tags = readTags(reader)
  const credential = Uint8Array.from(reader.block())
  if (!reader.isIntact || !algorithm) return undefined
  return {
    claims: { issuer, puID, tags, ephemeralKey, notBefore, notAfter },
    algorithm,
    keyID,
    credential: credential.length > 0 ? credential : undefined,
    signed: reader.before(),
    signature: reader.rest(),
  }
}

function readTags(reader: RecordReader): Tag[] {
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

function tagFault(tag: Tag): string | undefined {
  const name = JSON.stringify(tag.key.slice(0, 64))
  return (
    lengthFault(`the key of tag ${name}`, Buffer.byteLength(tag.key)) ??
    lengthFault(`the value of tag ${name}`, Buffer.byteLength(tag.value))
  )
}

function lengthFault(name: string, bytes: number): string | undefined {
  return bytes > MAX_LENGTH ? `${name} has ${bytes} bytes, expected at most ${MAX_LENGTH}` : undefined
}
