import { hkdfSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hkdfExpand, hkdfExtract } from './hkdf.js'

const hex = (text: string) => Buffer.from(text, 'hex')
const range = (from: number, to: number) => Uint8Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** RFC 5869, appendix A: the vectors for SHA-256. */
const VECTORS = [
  {
    name: 'A.1',
    ikm: hex('0b'.repeat(22)),
    salt: range(0x00, 0x0c),
    info: range(0xf0, 0xf9),
    prk: '077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5',
    okm: '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
  },
  {
    name: 'A.2',
    ikm: range(0x00, 0x4f),
    salt: range(0x60, 0xaf),
    info: range(0xb0, 0xff),
    prk: '06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244',
    okm:
      'b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09' +
      'da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87',
  },
  {
    name: 'A.3',
    ikm: hex('0b'.repeat(22)),
    salt: new Uint8Array(0),
    info: new Uint8Array(0),
    prk: '19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04',
    okm: '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
  },
]

describe('hkdf', () => {
  it.each(VECTORS)('gives the output of RFC 5869 $name', ({ ikm, salt, info, prk, okm }) => {
    const extracted = hkdfExtract(salt, ikm)
    expect(Buffer.from(extracted).toString('hex')).toBe(prk)
    expect(Buffer.from(hkdfExpand(extracted, info, okm.length / 2)).toString('hex')).toBe(okm)
  })

  it('agrees with the HKDF of node:crypto', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 80 })
    fc.assert(
      fc.property(bytes, bytes, bytes, fc.integer({ min: 1, max: 200 }), (ikm, salt, info, length) => {
        const expected = Buffer.from(hkdfSync('sha256', ikm, salt, info, length))
        expect(Buffer.from(hkdfExpand(hkdfExtract(salt, ikm), info, length))).toEqual(expected)
      }),
      { numRuns: 50 },
    )
  })

  it.each([0, -1, 1.5, Number.NaN, 255 * 32 + 1])('refuses to make %s bytes', length => {
    expect(() => hkdfExpand(range(0, 31), new Uint8Array(0), length)).toThrow(RangeError)
  })

  it('makes the most that the RFC allows', () => {
    expect(hkdfExpand(range(0, 31), new Uint8Array(0), 255 * 32)).toHaveLength(8160)
  })
})
