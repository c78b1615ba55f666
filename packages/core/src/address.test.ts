import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatAddress, parseAddress } from './address.js'

describe('parseAddress', () => {
  it.each([
    ['192.0.2.7', '00000000000000000000ffffc0000207', '192.0.2.7'],
    ['::ffff:192.0.2.7', '00000000000000000000ffffc0000207', '192.0.2.7'],
    ['::', '00000000000000000000000000000000', '::'],
    ['::1', '00000000000000000000000000000001', '::1'],
    ['1::', '00010000000000000000000000000000', '1::'],
    ['2001:DB8::0:1', '20010db8000000000000000000000001', '2001:db8::1'],
    ['1:0:0:2:0:0:0:3', '00010000000000020000000000000003', '1:0:0:2::3'],
    ['1:2:3:4:5:6:0:8', '00010002000300040005000600000008', '1:2:3:4:5:6:0:8'],
    ['64:ff9b::192.0.2.1', '0064ff9b0000000000000000c0000201', '64:ff9b::c000:201'],
  ])('%s', (text, hex, canonical) => {
    const bytes = parseAddress(text)
    expect(Buffer.from(bytes).toString('hex')).toBe(hex)
    expect(formatAddress(bytes)).toBe(canonical)
  })

  it.each(['', 'host', '192.0.2', '192.0.2.256', '192.0.02.1', 'fe80::1%eth0', '1::2::3', '10.0.0.0/8'])(
    'refuses %j',
    text => {
      expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
    },
  )

  it('reads back whatever formatAddress writes', () => {
    const byte = fc.oneof(fc.constant(0), fc.nat(255))
    const address = fc.array(byte, { minLength: 16, maxLength: 16 }).map(bytes => Uint8Array.from(bytes))
    fc.assert(
      fc.property(address, bytes => {
        expect(parseAddress(formatAddress(bytes))).toEqual(bytes)
      }),
    )
  })
})
