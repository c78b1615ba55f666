import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { internetChecksum, sumWords, transportChecksum } from './checksum.js'
import { fuzzRuns, fuzzTimeoutMs, naiveChecksum, surround } from './packet-arbitraries.js'

describe('internetChecksum', () => {
  it('sums the example of RFC 1071 §3', () => {
    expect(sumWords(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7), 0, 8)).toBe(0xddf2)
  })

  it(
    'agrees with a naive one over any range, odd ends included',
    () => {
      const anyRange = fc.tuple(fc.uint8Array({ maxLength: 600 }), fc.constantFrom(0x00, 0xff))
      fc.assert(
        fc.property(anyRange, ([bytes, poison]) => {
          const { data, offset } = surround(bytes, poison)
          expect(internetChecksum(data, offset, offset + bytes.length)).toBe(naiveChecksum(bytes))
        }),
        { numRuns: fuzzRuns },
      )
    },
    fuzzTimeoutMs,
  )

  it.each([127, 128, 129, 1_499, 65_534, 65_535])('does not overflow over %i bytes of 0xff', length => {
    const bytes = new Uint8Array(length).fill(0xff)
    expect(internetChecksum(bytes, 0, length)).toBe(naiveChecksum(bytes))
  })

  it('reads the right bytes of a view into a larger buffer', () => {
    const whole = Uint8Array.from({ length: 1_000 }, (_, index) => index * 7)
    const part = whole.subarray(333)
    expect(internetChecksum(part, 1, 400)).toBe(naiveChecksum(whole.slice(334, 733)))
  })
})

describe('transportChecksum', () => {
  it('covers the pseudo-header of RFC 9293 §3.1', () => {
    const syn = Buffer.from(
      '4500002800000000400600000a0000020a00000100509c4000000000000003e9501400000000',
      'hex',
    )
    const bytes = new Uint8Array([...syn, 0, 0])
    expect(transportChecksum(bytes, 20, 40, 6)).toBe(0xfb54)
  })
})
