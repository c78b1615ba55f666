import {
  EPHEMERAL_KEY_BYTES,
  MAX_RECORD_BYTES,
  type RecordClaims,
  type RecordSigner,
  type ShortTags,
} from '@trireme/core'
import { MAX_LENGTH, RecordReader } from './record-reader.js'
import { RecordWriter } from './record-writer.js'
import { readShortTags, readTags, writeShortTags, writeTags } from './tags-codec.js'

/** What a signer says of itself in the record. */
export type RecordSignerNames = Pick<RecordSigner, 'algorithm' | 'keyID' | 'credential'>

/** A record taken apart. Nothing refers to the bytes that were read, but for `signed` and `signature`. */
export interface DecodedRecord {
  readonly claims: RecordClaims
  /** Where the claims' tags travel shortened; their `tags` are empty then. */
  readonly shortTags: ShortTags | undefined
  readonly algorithm: RecordSigner['algorithm']
  readonly keyID: string
  readonly credential: Uint8Array | undefined
  /** All bytes before the signature. */
  readonly signed: Uint8Array
  /** All bytes from there on: whether they are as many as the algorithm's signature has is yet to be asked. */
  readonly signature: Uint8Array
}

const VERSION = 1
const SHORT_TAGS = 0x10
const ALGORITHMS = ['none', 'HS256', 'ES256'] as const
/** Bytes of a signature, by the algorithm's place. */
const SIGNATURE_BYTES = [0, 32, 64] as const
const KEY_ID_BYTES = 8
const KEY_ID = /^[0-9a-f]{16}$/
const MAX_TIME = 0xffff_ffff
const NOTHING = Buffer.alloc(0)
/** Up to the issuer. */
const HEAD_BYTES = 1 + 1 + KEY_ID_BYTES + EPHEMERAL_KEY_BYTES + 4 + 4

/**
 * The body of a record: everything but its signature. Claims and signer must be free of `encodingFault`.
 *
 *      bytes
 *     +------+------------------------------------------------------------+
 *     | 1    | version: 1                                                 |
 *     | 1    | flags (high 4 bits): 1 where tags are shortened, else 0;   |
 *     |      | algorithm (low 4 bits): 0 none, 1 HS256, 2 ES256           |
 *     | 8    | key ID                                                     |
 *     | 32   | ephemeral key (X25519, RFC 7748)                           |
 *     | 4    | not before, seconds since 1970                             |
 *     | 4    | not after                                                  |
 *     | L, n | issuer                                                     |
 *     | L, n | PU ID                                                      |
 *     |      | the tags, in full or shortened: see `tags-codec.ts`        |
 *     | L, n | the signer's credential; empty where it does not travel    |
 *     +------+------------------------------------------------------------+
 *     | 32   | HS256: HMAC-SHA256 (RFC 2104), not truncated               |
 *     | 64   | ES256: ECDSA P-256 with SHA-256 (FIPS 186-5), r ‖ s, low s |
 *     | 0    | none                                                       |
 *     +------+------------------------------------------------------------+
 *
 * Signed is `"trireme/1 record binary" ‖ 0x00 ‖ body`. Integers are big endian. L, a length or a count, is one byte up to
 * 127, else two bytes with the top bit set, up to 32,767; never two where one will do. Texts are UTF-8. Tags travel in
 * full while the record with its signature has at most `MAX_RECORD_BYTES`, else shortened; a longer record with tags in full
 * is refused. So an identity has one form that its peers accept, and a signer that shortens without need hides its tags
 * from prefix rules alone.
 */
export function encodeRecord(claims: RecordClaims, signer: RecordSignerNames): Uint8Array {
  const algorithm = ALGORITHMS.indexOf(signer.algorithm)
  const names = writeNames(claims)
  const credential = new RecordWriter()
  credential.block(signer.credential ?? NOTHING)
  const tail = credential.finish()
  const room = MAX_RECORD_BYTES - HEAD_BYTES - names.length - tail.length - SIGNATURE_BYTES[algorithm]!
  const inFull = writeTags(claims.tags, room) ?? shorterInFull(claims, room)
  const tags = inFull ?? writeShortTags(claims.tags)
  const writer = new RecordWriter()
  writer.uint8(VERSION)
  writer.uint8(inFull ? algorithm : SHORT_TAGS | algorithm)
  writer.bytes(Buffer.from(signer.keyID, 'hex'))
  writer.bytes(claims.ephemeralKey)
  writer.uint32(claims.notBefore)
  writer.uint32(claims.notAfter)
  writer.bytes(names)
  writer.bytes(tags)
  writer.bytes(tail)
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
    lengthFault("the signer's credential", signer.credential?.length ?? 0)
  )
}

/** Takes a record apart, strictly; undefined for bytes that no record begins with. */
export function decodeRecord(record: Uint8Array): DecodedRecord | undefined {
  const reader = new RecordReader(record)
  if (reader.uint8() !== VERSION) return undefined
  const form = reader.uint8()
  const isShort = (form & 0xf0) === SHORT_TAGS
  const algorithm = ALGORITHMS[isShort ? form ^ SHORT_TAGS : form]
  if (!algorithm || (!isShort && record.length > MAX_RECORD_BYTES)) return undefined
  const keyID = reader.bytes(KEY_ID_BYTES).toString('hex')
  const ephemeralKey = Uint8Array.from(reader.bytes(EPHEMERAL_KEY_BYTES))
  const notBefore = reader.uint32()
  const notAfter = reader.uint32()
  const issuer = reader.text()
  const puID = reader.text()
  const tags = isShort ? [] : readTags(reader)
  const shortTags = isShort ? readShortTags(reader) : undefined
  const credential = Uint8Array.from(reader.block())
  if (!reader.isIntact) return undefined
  return {
    claims: { issuer, puID, tags, ephemeralKey, notBefore, notAfter },
    shortTags,
    algorithm,
    keyID,
    credential: credential.length > 0 ? credential : undefined,
    signed: reader.before(),
    signature: reader.rest(),
  }
}

/** Where neither form fits, the shorter one says by how much. */
function shorterInFull({ tags }: RecordClaims, room: number): Uint8Array | undefined {
  const { length } = writeShortTags(tags)
  return length > room ? writeTags(tags, Math.min(length, MAX_LENGTH)) : undefined
}

function writeNames(claims: RecordClaims): Uint8Array {
  const writer = new RecordWriter()
  writer.text(claims.issuer)
  writer.text(claims.puID)
  return writer.finish()
}

function lengthFault(name: string, bytes: number): string | undefined {
  return bytes > MAX_LENGTH ? `${name} has ${bytes} bytes, expected at most ${MAX_LENGTH}` : undefined
}
