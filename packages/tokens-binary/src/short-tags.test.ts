import { generateKeyPairSync } from 'node:crypto'
import {
  MAX_RECORD_BYTES,
  pskSecrets,
  type RecordClaims,
  type Secrets,
  shortenKey,
  shortenTag,
  shortenTags,
  type Tags,
} from '@trireme/core'
import { describe, expect, it } from 'vitest'
import { binaryTokens } from './binary-tokens.js'
import { encodeRecord } from './record-codec.js'
import { signRecord } from './record-signature.js'

const KEY = Buffer.from('correct horse battery staple')
const secrets = pskSecrets({ key: KEY })
const engine = binaryTokens()({ secrets })
const signer = secrets.signer({ issuer: 'host-a', encoding: 'binary' })

const claimsWith = (tags: Tags, differences: Partial<RecordClaims> = {}): RecordClaims => ({
  issuer: 'host-a',
  puID: '0123456789ab',
  tags,
  ephemeralKey: new Uint8Array(32).fill(9),
  notBefore: 1_700_000_000,
  notAfter: 1_700_000_180,
  ...differences,
})
const longTags = (count: number): Tags =>
  Array.from({ length: count }, (_, i) => ({ key: `example.com/label-${i}`, value: `${i}`.repeat(300) }))

describe('tags in a binary record', () => {
  it('travel in full to the last byte that fits, and shortened beyond', () => {
    const record = (length: number) => engine.issue(claimsWith([{ key: 'k', value: 'v'.repeat(length) }]))
    const most = MAX_RECORD_BYTES - record(128).length + 128
    expect(record(most)).toHaveLength(MAX_RECORD_BYTES)
    expect(engine.verify(record(most))).toMatchObject({ tags: [{ key: 'k' }] })
    expect(engine.verify(record(most + 1))).toMatchObject({ tags: [] })
    expect(record(most + 1).length).toBeLessThan(160)
  })

  it.each([
    ['a value of 64 kB', [{ key: 'a', value: 'x'.repeat(65_536) }]],
    ['a key of 64 kB', [{ key: 'x'.repeat(65_536), value: '' }]],
    ['many', longTags(40)],
  ])('come back as hashes: %s', (_what, tags) => {
    const verified = engine.verify(engine.issue(claimsWith(tags)))
    expect(verified).toMatchObject({ tags: [], shortTags: shortenTags(tags) })
  })

  it('say in the shorter form by how much they do not fit', () => {
    const tags = Array.from({ length: 64 }, (_, i) => ({ key: `label-${i}`, value: `value-${i}` }))
    const record = engine.issue(claimsWith(tags))
    expect(record.length).toBeGreaterThan(MAX_RECORD_BYTES)
    expect(record.length).toBeLessThan(64 * 20)
    expect(engine.verify(record)).toBe('token')
  })

  it('are as many as it takes in shortened form whatever their order and repetition', () => {
    const tags = longTags(40)
    expect(engine.issue(claimsWith([...tags, ...tags].reverse()))).toEqual(engine.issue(claimsWith(tags)))
  })
})

describe('32 tags of any length', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const withCredential = (bytes: number): Secrets => ({
    mode: 'pki',
    signer: () => ({
      algorithm: 'ES256',
      keyID: '0123456789abcdef',
      key: privateKey,
      credential: new Uint8Array(bytes),
    }),
    verifier: () => 'token',
    sessionSecret: () => undefined,
    onChange: () => () => {},
  })
  const sizeWith = (bytes: number, tags: Tags) =>
    binaryTokens()({ secrets: withCredential(bytes) }).issue(claimsWith(tags)).length

  it('fit beside a certificate, server ID and PU ID of 364 bytes together', () => {
    const names = 'host-a'.length + '0123456789ab'.length
    expect(sizeWith(364 - names, longTags(32))).toBe(MAX_RECORD_BYTES)
  })

  it('are 20 bytes each, 10 where keys are shared', () => {
    const shared = (count: number) => longTags(count).map(tag => ({ ...tag, key: 'team' }))
    expect(sizeWith(300, longTags(32)) - sizeWith(300, longTags(31))).toBe(20)
    expect(sizeWith(300, shared(32)) - sizeWith(300, shared(31))).toBe(10)
  })
})

describe('shortened tags that are signed but not canonical', () => {
  const body = Buffer.from(encodeRecord(claimsWith(longTags(4)), signer))
  const HASHES_AT = 50 + 1 + 'host-a'.length + 1 + '0123456789ab'.length
  const head = body.subarray(0, HASHES_AT)
  const sealed = (...parts: (readonly number[])[]) =>
    engine.verify(signRecord(Buffer.concat([head, Buffer.from(parts.flat())]), signer))
  const hash = (fill: number) => new Array(10).fill(fill) as number[]
  const [a, b] = [hash(1), hash(2)]

  it('are accepted where they are', () => {
    expect(sealed([1], a, [2], a, b, [0])).toMatchObject({
      shortTags: { keys: new Set(['01'.repeat(10)]), tags: new Set(['01'.repeat(10), '02'.repeat(10)]) },
    })
  })

  it('are refused out of order, twice, cut, without keys, with more keys than tags', () => {
    expect(sealed([2], b, a, [2], a, b, [0])).toBe('token')
    expect(sealed([1], a, [2], b, a, [0])).toBe('token')
    expect(sealed([1], a, [2], a, a, [0])).toBe('token')
    expect(sealed([1], a, [2], a, b.slice(1), [0])).toBe('token')
    expect(sealed([0], [0], [0])).toBe('token')
    expect(sealed([0], [1], a, [0])).toBe('token')
    expect(sealed([2], a, b, [1], a, [0])).toBe('token')
  })

  it('are refused in full beyond the size of a packet', () => {
    const full = claimsWith([{ key: 'k', value: 'v'.repeat(MAX_RECORD_BYTES) }])
    const names = Buffer.from(encodeRecord(claimsWith([]), signer)).subarray(0, HASHES_AT)
    const value = Buffer.from(full.tags[0]!.value)
    const length = [0x80 | (value.length >> 8), value.length & 0xff]
    const record = Buffer.concat([names, Buffer.from([1, 1, 0x6b, ...length]), value, Buffer.from([0])])
    expect(engine.verify(signRecord(record, signer))).toBe('token')
  })

  it('hold the hashes of core', () => {
    const tag = { key: 'app', value: 'x'.repeat(2000) }
    expect(engine.verify(engine.issue(claimsWith([tag])))).toMatchObject({
      shortTags: { keys: new Set([shortenKey('app')]), tags: new Set([shortenTag(tag)]) },
    })
  })
})
