import { describe, expect, it } from 'vitest'
import type { VerifiedRecord } from '../plugin.js'
import type { PeerRecord } from './record-verifier.js'
import { VerifiedRecords } from './verified-records.js'

const TAG_COUNT = 360

function peer(issuer: string, claims: Partial<VerifiedRecord> = {}): PeerRecord {
  return {
    claims: {
      ...{ issuer, puID: 'web', tags: [], ephemeralKey: new Uint8Array(32), notBefore: 0, notAfter: 180 },
      ...{ keyID: 'key', signerNotAfter: 1_000 },
      ...claims,
    },
    hash: Buffer.alloc(32),
    bytes: new Uint8Array(1_124),
    generation: {},
  }
}

const manyTags = Array.from({ length: TAG_COUNT }, (_, index) => ({ key: `k${index}`, value: '' }))
const shortTags = {
  keys: new Set(['key']),
  tags: new Set(Array.from({ length: TAG_COUNT }, (_, i) => `tag ${i}`)),
}

describe('VerifiedRecords', () => {
  it('forgets the eldest first, and a record that is set again is young', () => {
    const records = new VerifiedRecords({ records: 3, bytes: 1e6, issuerShare: 1 })
    const [a, b] = [peer('host-a'), peer('host-b')]
    for (const [key, each] of [
      ['1', a],
      ['2', b],
      ['3', a],
      ['1', a],
      ['4', b],
    ] as const)
      records.set(key, each)
    expect(['1', '2', '3', '4'].map(key => records.get(key))).toEqual([a, undefined, a, b])
    expect(records.size).toBe(3)
    records.clear()
    expect([records.get('1'), records.size]).toEqual([undefined, 0])
    records.set('5', a)
    expect(records.get('5')).toBe(a)
  })

  it('a flood of one issuer displaces none of another', () => {
    const records = new VerifiedRecords()
    const victim = peer('host-a')
    records.set('victim', victim)
    for (let number = 0; number < 50_000; number++) records.set(`flood ${number}`, peer('host-b'))
    expect(records.get('victim')).toBe(victim)
    expect(records.get('flood 49999')).toBeDefined()
    expect(records.size).toBeLessThan(2_500)
  })

  it.each([
    ['many tags', { tags: manyTags }],
    ['many shortened tags', { shortTags }],
  ])('is bounded in memory, not in number alone: %s', (_, claims) => {
    const records = new VerifiedRecords()
    for (let number = 0; number < 20_000; number++)
      records.set(String(number), peer(`host-${number}`, claims))
    expect(records.size).toBeGreaterThan(500)
    // 32 MiB, at 80 bytes a tag and more.
    expect(records.size).toBeLessThan((32 * 2 ** 20) / (TAG_COUNT * 80))
  })

  it('keeps thousands of ordinary records of hundreds of nodes', () => {
    const records = new VerifiedRecords()
    const tags = manyTags.slice(0, 8)
    const ordinary = (node: number) => ({ ...peer(`host-${node}`, { tags }), bytes: new Uint8Array(400) })
    for (let number = 0; number < 16_384; number++) records.set(String(number), ordinary(number % 400))
    expect(records.size).toBe(16_384)
  })
})
