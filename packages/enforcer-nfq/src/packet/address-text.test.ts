import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressBytes } from '../testing/index.js'
import { addressText } from './address-text.js'

describe('addressText', () => {
  it.each([
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0DB8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1', '::1'],
    ['fe80::', 'fe80::'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::fffe:192.0.2.1', '::fffe:c000:201'],
  ])('prints %s as %s (RFC 5952 §4)', (text, expected) => {
    expect(addressText(addressBytes(text))).toBe(expected)
  })

  it('reads back as the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), bytes => {
        const text = addressText(bytes)
        const again = addressBytes(text)
        expect(again.length === 4 ? again : bytes).toEqual(again)
      }),
    )
  })
})
