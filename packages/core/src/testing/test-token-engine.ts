import type { DropReason } from '../flow.js'
import type { RecordClaims, TokenEngine, VerifiedRecord } from '../plugin.js'
import { EPHEMERAL_KEY_BYTES, recordClaimsFault } from '../secrets/record-claims.js'
import type { Tags } from '../tags.js'
import { newTestDouble, type TestDouble } from './test-double.js'

/** An engine for tests alone: a record is its claims as JSON, and NOTHING signs it. Encoding `test`, code 15. */
export function newTestTokenEngine(): TestDouble<TokenEngine> {
  return newTestDouble<TokenEngine>({ encoding: 'test', encodingCode: 15, issue, verify })
}

const NAMES = ['issuer', 'puID', 'tags', 'ephemeralKey', 'notBefore', 'notAfter'] as const

function issue(claims: RecordClaims): Uint8Array {
  const fault = recordClaimsFault(claims)
  if (fault !== undefined) throw new TypeError(`record: ${fault}`)
  const { issuer, puID, notBefore, notAfter } = claims
  const tags = claims.tags.map(({ key, value }) => ({ key, value }))
  const ephemeralKey = Buffer.from(claims.ephemeralKey).toString('hex')
  return Buffer.from(JSON.stringify({ issuer, puID, tags, ephemeralKey, notBefore, notAfter }))
}

/** Good is exactly what `issue` writes: a record that reads well but is spelt otherwise is refused. */
function verify(record: Uint8Array): VerifiedRecord | DropReason {
  try {
    const claims = readClaims(record)
    if (!Buffer.from(issue(claims)).equals(record)) return 'token'
    return { ...claims, keyID: 'test', signerNotAfter: Number.MAX_SAFE_INTEGER }
  } catch {
    return 'token'
  }
}

function readClaims(record: Uint8Array): RecordClaims {
  const fields: Partial<Record<(typeof NAMES)[number], unknown>> = JSON.parse(Buffer.from(record).toString())
  return {
    issuer: String(fields.issuer),
    puID: String(fields.puID),
    tags: readTags(fields.tags),
    ephemeralKey: Buffer.from(String(fields.ephemeralKey).slice(0, EPHEMERAL_KEY_BYTES * 2), 'hex'),
    notBefore: Number(fields.notBefore),
    notAfter: Number(fields.notAfter),
  }
}

function readTags(tags: unknown): Tags {
  if (!Array.isArray(tags)) throw new TypeError('tags: expected a list')
  return tags.map(({ key, value }) => ({ key: String(key), value: String(value) }))
}
