import assert from 'node:assert/strict'
import { type AlteredBytes, arbitrary, extended, truncated, withFlippedBits } from './altered-bytes.js'
import { assertClaims, assertRefused, verified } from './assert-verified.js'
import type { Check, TokenEngineSubject } from './check.js'
import { sampleClaims } from './sample-claims.js'

const NOISE_RUNS = 2_000

/** Other encodings' beginnings, and nothing at all. */
const FOREIGN: readonly AlteredBytes[] = [
  { what: 'no bytes', bytes: new Uint8Array(0) },
  { what: 'a JWT', bytes: jwt() },
  { what: 'JSON', bytes: Buffer.from('{"issuer":"host-a","puID":"web-1","tags":[]}') },
  { what: 'JSON null', bytes: Buffer.from('null') },
  { what: 'deep JSON', bytes: Buffer.from('['.repeat(1_000)) },
  { what: 'a CBOR map without end', bytes: Buffer.from('bf616b6176', 'hex') },
  { what: 'a CBOR array of 2^32 entries', bytes: Buffer.from('9b0000000100000000', 'hex') },
  { what: 'deep CBOR', bytes: Buffer.alloc(1_000, 0x81) },
  { what: 'DER', bytes: Buffer.from('308201223081c9a003020102', 'hex') },
  { what: 'zeros', bytes: new Uint8Array(1_124) },
  { what: 'a megabyte', bytes: new Uint8Array(1 << 20).fill(0x41) },
]

/** Every byte of a record is accounted for, and no bytes at all disturb the engine. */
export const checksOfBytes: readonly Check<TokenEngineSubject>[] = [
  { title: 'refuses a record with any bit flipped', run: subject => refusesAll(subject, withFlippedBits) },
  { title: 'refuses a record cut at any place', run: subject => refusesAll(subject, truncated) },
  { title: 'refuses a record with more bytes', run: subject => refusesAll(subject, extended) },
  {
    title: 'answers to arbitrary bytes',
    run: subject => refusesAll(subject, record => arbitrary(record, NOISE_RUNS)),
  },
  { title: "refuses another encoding's bytes", run: subject => refusesAll(subject, () => FOREIGN) },
  {
    title: 'tells the issuer that a record names, if it tells one, and nothing of other bytes',
    async run({ engine, kind }) {
      const made = await engine(kind.secrets())
      if (!made.issuerOf) return
      const claims = sampleClaims()
      assert.equal(made.issuerOf(await made.issue(claims)), claims.issuer)
      for (const { what, bytes } of FOREIGN) assert.equal(made.issuerOf(bytes), undefined, what)
    },
  },
  {
    title: 'reads a record that lies inside a larger buffer',
    async run({ engine, kind }) {
      const claims = sampleClaims()
      const record = await (await engine(kind.secrets())).issue(claims)
      const larger = Buffer.concat([Buffer.alloc(7, 0xff), record, Buffer.alloc(7, 0xff)])
      const view = new Uint8Array(larger.buffer, larger.byteOffset + 7, record.length)
      assertClaims(await verified(await engine(kind.secrets()), view, 'a view'), claims, 'a view')
      assert.ok(larger.subarray(7, 7 + record.length).equals(record), 'verify changed the bytes it was given')
    },
  },
  {
    title: 'keeps no reference to the bytes that it verified',
    async run({ engine, kind }) {
      const claims = sampleClaims()
      const verifying = await engine(kind.secrets())
      const record = Uint8Array.from(await (await engine(kind.secrets())).issue(claims))
      const answer = verifying.verify(record)
      // The caller's buffer is the next packet's as soon as `verify` has returned, answered or not.
      record.fill(0xff)
      const read = await answer
      assert.ok(
        typeof read !== 'string',
        `refused (${String(read)}) because its bytes changed after the call`,
      )
      assertClaims(read, claims, 'after the bytes changed')
    },
  },
  {
    title: 'keeps no reference to the claims that it signed',
    async run({ engine, kind }) {
      const issuing = await engine(kind.secrets())
      const claims = sampleClaims()
      const key = Uint8Array.from(claims.ephemeralKey)
      const record = await issuing.issue({ ...claims, ephemeralKey: key })
      key.fill(0)
      assertClaims(await verified(await engine(kind.secrets()), record, 'the record'), claims, 'the record')
      const first = Uint8Array.from(record)
      await issuing.issue(sampleClaims({ puID: 'web-2' }))
      assert.deepEqual([...record], [...first], 'a later record overwrote an earlier one')
    },
  },
]

async function refusesAll(
  { engine, kind }: TokenEngineSubject,
  alter: (record: Uint8Array) => Iterable<AlteredBytes>,
): Promise<void> {
  const record = await (await engine(kind.secrets())).issue(sampleClaims())
  const verifying = await engine(kind.secrets())
  for (const { what, bytes } of alter(record)) await assertRefused(verifying, bytes, what)
  // That the whole record is good shows that the others were refused for what was done to them.
  await verified(verifying, record, 'the whole record')
}

function jwt(): Uint8Array {
  const parts = [
    '{"alg":"HS256","kid":"0123456789abcdef","typ":"JWT"}',
    '{"iss":"host-a","sub":"web-1"}',
    'signature',
  ]
  return Buffer.from(parts.map(part => Buffer.from(part).toString('base64url')).join('.'))
}
