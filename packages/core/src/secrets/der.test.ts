import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { certificateFields, keyUsageBits, pathLengthOf } from './certificate-fields.js'
import { newCA } from './certificates-suite.js'
import { readDER } from './der.js'

const hex = (text: string) => Buffer.from(text, 'hex')

describe('readDER', () => {
  it('reads elements one after the other', () => {
    expect(readDER(hex('0201050500'))).toEqual([
      { tag: 2, content: hex('05') },
      { tag: 5, content: hex('') },
    ])
    const long = Buffer.alloc(300)
    expect(readDER(Buffer.concat([hex('0482012c'), long]))).toEqual([{ tag: 4, content: long }])
    expect(readDER(hex(''))).toEqual([])
  })

  it.each([
    ['a tag without length', '02'],
    ['contents that are cut', '020205'],
    ['an indefinite length', '3080050000 00'.replace(' ', '')],
    ['a length in more octets than it needs', '04810100'],
    ['a two-octet length in more than it needs', '0482000100'],
    ['a length of three octets', '048300000100'],
    ['a length that is cut', '0482'],
    ['an identifier of several octets', '1f8101 00'.replace(' ', '')],
  ])('refuses %s', (_, bytes) => {
    expect(readDER(hex(bytes))).toBeUndefined()
  })

  it('never throws and never reads past the end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        const total = readDER(bytes)?.reduce((sum, { content }) => sum + content.length, 0) ?? 0
        expect(total).toBeLessThanOrEqual(bytes.length)
        certificateFields(bytes)
        pathLengthOf(bytes)
        keyUsageBits(bytes)
      }),
    )
  })

  it('never throws on a certificate with a few bytes changed', async () => {
    const { der } = await newCA()
    const change = fc.tuple(fc.nat(der.length - 1), fc.nat(255))
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), changes => {
        const changed = Uint8Array.from(der)
        for (const [at, value] of changes) changed[at] = value
        certificateFields(changed)
      }),
    )
  })
})

describe('what basicConstraints and keyUsage say', () => {
  it('is read', () => {
    expect(pathLengthOf(hex('30060101ff020102'))).toBe(2)
    expect(pathLengthOf(hex('30030101ff'))).toBe(Number.POSITIVE_INFINITY)
    expect(pathLengthOf(hex('30050101ff0200'))).toBe(0)
    expect(pathLengthOf(hex('3081060101ff020102'))).toBe(0)
    expect(keyUsageBits(hex('03020780'))).toBe(0x80)
    expect(keyUsageBits(hex('03020106'))).toBe(0x06)
    expect(keyUsageBits(hex('030100'))).toBe(0)
    expect(keyUsageBits(hex('0500'))).toBe(0)
  })
})
