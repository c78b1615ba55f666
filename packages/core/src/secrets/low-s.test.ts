import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { isLowS, toLowS } from './low-s.js'

const R = '11'.repeat(32)
const signature = (s: string) => Buffer.from(R + s, 'hex')

describe('low-s', () => {
  it('draws the line at half the order', () => {
    expect(isLowS(signature('7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8'))).toBe(true)
    expect(isLowS(signature('7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a9'))).toBe(false)
    expect(isLowS(signature('ff'.repeat(32)))).toBe(false)
  })

  it('refuses other lengths', () => {
    expect(isLowS(new Uint8Array(63))).toBe(false)
    expect(isLowS(new Uint8Array(65))).toBe(false)
    expect(() => toLowS(new Uint8Array(65))).toThrow(/65 bytes, expected 64/)
  })

  it('gives the equivalent signature, and leaves a low one and its argument as they are', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const data = Buffer.from('data')
    const seen = { low: 0, high: 0 }
    for (let i = 0; i < 64; i++) {
      const made = sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
      const before = Buffer.from(made)
      const low = toLowS(made)
      seen[isLowS(made) ? 'low' : 'high']++
      expect(made).toEqual(before)
      expect(isLowS(low)).toBe(true)
      expect(Buffer.from(toLowS(low))).toEqual(Buffer.from(low))
      expect(verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, low)).toBe(true)
    }
    expect(seen.low).toBeGreaterThan(0)
    expect(seen.high).toBeGreaterThan(0)
  })
})
