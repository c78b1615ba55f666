import assert from 'node:assert/strict'
import {
  canonicalTags,
  type DropReason,
  type RecordClaims,
  shortenTags,
  type TokenEngine,
  type VerifiedRecord,
} from '@trireme/core'

const DROP_REASONS = {
  policy: true,
  format: true,
  options: true,
  version: true,
  mode: true,
  encoding: true,
  token: true,
  clock: true,
  mac: true,
  misdirected: true,
  'foreign-listener': true,
  'no-listener': true,
  replay: true,
  state: true,
  'mid-stream': true,
  'stripped-or-unenforced': true,
  processor: true,
  overload: true,
  timeout: true,
  context: true,
  refused: true,
  internal: true,
} satisfies Record<DropReason, true>

/** What the engine answers. Fails where it throws or rejects. */
export async function answerOf(
  engine: TokenEngine,
  record: Uint8Array,
  what: string,
): Promise<VerifiedRecord | DropReason> {
  try {
    return await engine.verify(record)
  } catch (error) {
    return assert.fail(`verify of ${what}: expected a drop reason, it threw ${String(error)}`)
  }
}

/** Fails unless the engine answers with a drop reason. */
export async function assertRefused(engine: TokenEngine, record: Uint8Array, what: string): Promise<void> {
  const answer = await answerOf(engine, record, what)
  assert.ok(typeof answer === 'string', `verify of ${what}: expected a drop reason, it was accepted`)
  assert.ok(Object.hasOwn(DROP_REASONS, answer), `verify of ${what}: "${answer}" is no drop reason`)
}

/** The claims that the engine reads in the record. Fails where it refuses. */
export async function verified(
  engine: TokenEngine,
  record: Uint8Array,
  what: string,
): Promise<VerifiedRecord> {
  const answer = await answerOf(engine, record, what)
  return typeof answer === 'string' ? assert.fail(`verify of ${what}: it was refused (${answer})`) : answer
}

/** Fails unless the record says what was claimed: tags in canonical order, in full or shortened. */
export function assertClaims(record: VerifiedRecord, claims: RecordClaims, what: string): void {
  const { issuer, puID, notBefore, notAfter } = record
  assert.deepEqual(
    { issuer, puID, notBefore, notAfter },
    {
      issuer: claims.issuer,
      puID: claims.puID,
      notBefore: claims.notBefore,
      notAfter: claims.notAfter,
    },
    what,
  )
  assert.ok(record.ephemeralKey instanceof Uint8Array, `${what}: ephemeralKey is no Uint8Array`)
  assert.deepEqual([...record.ephemeralKey], [...claims.ephemeralKey], `${what}: ephemeralKey`)
  const tags = record.shortTags ? [] : canonicalTags(claims.tags).map(({ key, value }) => ({ key, value }))
  assert.deepEqual(record.tags, tags, `${what}: tags`)
  if (record.shortTags)
    assert.deepEqual(record.shortTags, shortenTags(claims.tags), `${what}: shortened tags`)
}
