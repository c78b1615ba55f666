import assert from 'node:assert/strict'
import { MAX_RECORD_BYTES, type RecordClaims, TriremeError } from '@trireme/core'
import { assertClaims, verified } from './assert-verified.js'
import type { Check, TokenEngineSubject } from './check.js'
import { ODD_TAGS, sampleClaims, UNENCODABLE } from './sample-claims.js'

type EngineCheck = Check<TokenEngineSubject>

/** Values from this length on may be refused when they are to be issued. */
const LONG_VALUE_BYTES = 16_384

/** What is said comes back as it was said, and what cannot be said is refused before it is signed. */
export const checksOfClaims: readonly EngineCheck[] = [
  {
    title: 'is named, and has a code from 1 to 15',
    async run({ engine, kind }) {
      const { encoding, encodingCode } = await engine(kind.secrets())
      // Keys are derived from the name, with NUL behind it.
      assert.match(encoding, /^[^\0]+$/, `encoding is ${JSON.stringify(encoding)}`)
      const isCode = Number.isInteger(encodingCode) && encodingCode >= 1 && encodingCode <= 15
      assert.ok(isCode, `encodingCode is ${encodingCode}, expected an integer from 1 to 15`)
    },
  },
  {
    title: 'gives back every claim',
    async run(subject) {
      await roundTrip(subject, sampleClaims(), 'sample claims')
      const names = { issuer: 'host-b', puID: 'Ü \u{1f600} "x"' }
      await roundTrip(
        subject,
        sampleClaims({ ...names, notBefore: 1, notAfter: 0xffff_ffff }),
        'other claims',
      )
    },
  },
  { title: 'gives back no tags', run: subject => roundTrip(subject, sampleClaims({ tags: [] }), 'no tags') },
  ...Object.entries(ODD_TAGS).map(
    ([what, tags]): EngineCheck => ({
      title: `gives back tags: ${what}`,
      run: subject => roundTrip(subject, sampleClaims({ tags }), what),
    }),
  ),
  {
    title: 'gives back many tags and long ones, or says that it cannot',
    async run(subject) {
      for (const length of [127, 128, 255, 256, 1000, 65_535, 65_536]) {
        const claims = sampleClaims({ tags: [{ key: 'k', value: 'é'.repeat(length / 2) }] })
        await roundTripOrRefusal(subject, claims, length >= LONG_VALUE_BYTES)
      }
      const short = Array.from({ length: 24 }, (_, index) => ({ key: `k${index}`, value: '' }))
      await roundTripOrRefusal(subject, sampleClaims({ tags: short }), false)
      const many = Array.from({ length: 200 }, (_, index) => ({
        key: `key-${index}`,
        value: `value-${index}`,
      }))
      await roundTripOrRefusal(subject, sampleClaims({ tags: many }), false)
    },
  },
  {
    title: 'has one meaning for the same tags in any order and number',
    async run({ engine, kind }) {
      const [issuing, verifying] = [await engine(kind.secrets()), await engine(kind.secrets())]
      const claims = sampleClaims({ tags: Object.values(ODD_TAGS).slice(0, 4).flat() })
      const twice = sampleClaims({ ...claims, tags: [...claims.tags, ...claims.tags].reverse() })
      const first = await verified(verifying, await issuing.issue(claims), 'claims')
      const second = await verified(verifying, await issuing.issue(twice), 'the same claims in another order')
      assert.deepEqual(second, first)
    },
  },
  {
    title: 'lets the record fit a packet',
    async run({ engine, kind }) {
      const record = await (await engine(kind.secrets())).issue(sampleClaims())
      assert.ok(
        record.length <= MAX_RECORD_BYTES,
        `a record with two tags has ${record.length} bytes, expected at most ${MAX_RECORD_BYTES}`,
      )
    },
  },
  ...Object.entries(UNENCODABLE).map(
    ([what, difference]): EngineCheck => ({
      title: `does not sign ${what}`,
      async run({ engine, kind }) {
        const issuing = await engine(kind.secrets())
        await assert.rejects(
          async () => issuing.issue(sampleClaims(difference)),
          `issue of ${what} did not throw`,
        )
      },
    }),
  ),
]

async function roundTrip(subject: TokenEngineSubject, claims: RecordClaims, what: string): Promise<void> {
  const { engine, kind } = subject
  const record = await (await engine(kind.secrets())).issue(claims)
  assert.ok(record instanceof Uint8Array, `issue of ${what}: expected a Uint8Array`)
  const read = await verified(await engine(kind.secrets()), record, what)
  assertClaims(read, claims, what)
  assert.ok(
    !read.shortTags || record.length > MAX_RECORD_BYTES / 4,
    `${what}: tags are shortened without need`,
  )
}

async function roundTripOrRefusal(subject: TokenEngineSubject, claims: RecordClaims, mayRefuse: boolean) {
  const { engine, kind } = subject
  const bytes = Buffer.byteLength(claims.tags.map(tag => tag.value).join(''))
  const what = `${claims.tags.length} tags with values of ${bytes} bytes`
  const issuing = await engine(kind.secrets())
  let record: Uint8Array
  try {
    record = await issuing.issue(claims)
  } catch (error) {
    assert.ok(mayRefuse && error instanceof TriremeError, `issue of ${what}: ${String(error)}`)
    return
  }
  // What exceeds a packet is refused by core, so an engine need not read it.
  if (record.length > MAX_RECORD_BYTES) return
  assertClaims(await verified(await engine(kind.secrets()), record, what), claims, what)
}
