import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ACK_OVERLAY_BYTES,
  ackHeader,
  encodeAck,
  encodeSyn,
  encodeSynAck,
  MAX_OVERLAY_BYTES,
  MAX_RECORD_BYTES,
  parseAck,
  parseSyn,
  parseSynAck,
  type SynAckOverlay,
  type SynOverlay,
  signedPart,
  suite,
} from './overlay.js'

const own = suite('psk', 2)
const nonce = Uint8Array.from({ length: 16 }, (_, index) => 0xa0 + index)
const mac = Uint8Array.from({ length: 32 }, (_, index) => index)
const record = Uint8Array.from([0xde, 0xad, 0xbe, 0xef])
const dialledAddress = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2])

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function sampleSynAck(): Uint8Array {
  const overlay = encodeSynAck(own, nonce, record)
  overlay.set(mac, overlay.length - 32)
  return overlay
}

const samples = {
  syn: { bytes: encodeSyn(own, { nonce, dialledAddress, dialledPort: 8080, record }), parse: parseSyn },
  'syn-ack': { bytes: sampleSynAck(), parse: parseSynAck },
  ack: { bytes: encodeAck(ackHeader(own), mac), parse: parseAck },
} as const

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

describe('the layout of an overlay, byte by byte', () => {
  it('SYN', () => {
    expect(hex(samples.syn.bytes)).toBe(
      `545201011200002e${hex(nonce)}00000000000000000000ffff0a0000021f90deadbeef`,
    )
  })

  it('SYN-ACK', () => {
    expect(hex(samples['syn-ack'].bytes)).toBe(`545201021200003c${hex(nonce)}deadbeef${hex(mac)}`)
  })

  it('ACK, 40 bytes', () => {
    expect(hex(samples.ack.bytes)).toBe(`5452010312000028${hex(mac)}`)
    expect(ACK_OVERLAY_BYTES).toBe(40)
  })

  it.each([
    ['psk', 0x12],
    ['pki', 0x22],
    ['pki-prepopulated', 0x32],
    ['compact-pki', 0x42],
    ['null', 0xf2],
  ] as const)('suite byte of mode %s', (mode, byte) => {
    expect(ackHeader(suite(mode, 2))[4]).toBe(byte)
  })

  it.each([0, 16, 1.5, Number.NaN])('refuses encoding code %s', code => {
    expect(() => suite('psk', code)).toThrow(RangeError)
  })
})

describe('round trip', () => {
  const records = fc.uint8Array({ minLength: 1, maxLength: MAX_RECORD_BYTES })

  it('SYN', () => {
    const message = fc.record({
      nonce: bytesOf(16),
      dialledAddress: bytesOf(16),
      dialledPort: fc.integer({ min: 0, max: 65_535 }),
      record: records,
    })
    fc.assert(
      fc.property(message, sent => {
        expect(parseSyn(own, encodeSyn(own, sent))).toEqual(sent)
      }),
    )
  })

  it('SYN-ACK: what is signed is everything before the MAC', () => {
    fc.assert(
      fc.property(bytesOf(16), records, bytesOf(32), (sentNonce, sentRecord, sentMAC) => {
        const overlay = encodeSynAck(own, sentNonce, sentRecord)
        overlay.set(sentMAC, overlay.length - 32)
        const parsed = parseSynAck(own, overlay) as SynAckOverlay
        expect(parsed).toEqual({
          nonce: sentNonce,
          record: sentRecord,
          mac: sentMAC,
          signed: signedPart(overlay),
        })
        expect(Buffer.concat([parsed.signed, parsed.mac])).toEqual(Buffer.from(overlay))
      }),
    )
  })

  it('ACK', () => {
    const { bytes } = samples.ack
    expect(parseAck(own, bytes)).toEqual({ header: ackHeader(own), mac })
  })

  it('the largest record fits the larger of the two overlays that carry one', () => {
    const largest = new Uint8Array(MAX_RECORD_BYTES)
    expect(encodeSynAck(own, nonce, largest).length).toBe(MAX_OVERLAY_BYTES)
    expect(
      (
        parseSyn(
          own,
          encodeSyn(own, { nonce, dialledAddress, dialledPort: 1, record: largest }),
        ) as SynOverlay
      ).record.length,
    ).toBe(MAX_RECORD_BYTES)
    const tooLarge = encodeSynAck(own, nonce, new Uint8Array(MAX_RECORD_BYTES + 1))
    expect(parseSynAck(own, tooLarge)).toBe('format')
  })
})

describe.each(Object.entries(samples))('what is not exactly an overlay is refused: %s', (name, sample) => {
  const { bytes, parse } = sample

  it('every truncation', () => {
    for (let length = 0; length < bytes.length; length++)
      expect(parse(own, bytes.subarray(0, length)), `${length} bytes`).toBe('format')
  })

  it('every extension', () => {
    for (let extra = 1; extra <= 64; extra++) {
      const longer = new Uint8Array(bytes.length + extra)
      longer.set(bytes)
      expect(parse(own, longer), `${extra} more bytes`).toBe('format')
    }
  })

  it('every flipped bit of the header, with its reason', () => {
    for (let bit = 0; bit < 64; bit++) {
      const flipped = Uint8Array.from(bytes)
      flipped[bit >> 3]! ^= 0x80 >> (bit & 7)
      expect(parse(own, flipped), `bit ${bit}`).toBe(reasonOfByte(bit >> 3, bit & 7))
    }
  })

  it('the other message types', () => {
    for (const [otherName, other] of Object.entries(samples))
      if (otherName !== name) expect(parse(own, other.bytes)).toBe('format')
  })

  it('arbitrary bytes: never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1300 }), noise => {
        expect(typeof parse(own, noise)).toBe('string')
      }),
    )
  })

  it('flaw 6: another suite than the configured one, in either direction', () => {
    expect(parse(suite('pki', 2), bytes)).toBe('mode')
    expect(parse(suite('psk', 1), bytes)).toBe('encoding')
    expect(parse(suite('null', 2), bytes)).toBe('mode')
  })
})

it('an overlay whose length field is right and whose record is empty is refused', () => {
  const empty = new Uint8Array(0)
  expect(parseSyn(own, encodeSyn(own, { nonce, dialledAddress, dialledPort: 1, record: empty }))).toBe(
    'format',
  )
  expect(parseSynAck(own, encodeSynAck(own, nonce, empty))).toBe('format')
})

it('flaw 8: a length field of 0 to 41 on a packet of that size is no overlay', () => {
  for (let length = 0; length <= 41; length++) {
    const bytes = new Uint8Array(length)
    bytes.set(samples.syn.bytes.subarray(0, Math.min(8, length)))
    if (length >= 8) bytes[7] = length
    if (length >= 8) bytes[6] = 0
    expect(parseSyn(own, bytes)).toBe('format')
    expect(parseSynAck(own, bytes)).toBe('format')
    expect(parseAck(own, bytes)).toBe('format')
  }
})

function reasonOfByte(byte: number, bit: number): string {
  if (byte === 2) return 'version'
  if (byte === 4) return bit < 4 ? 'mode' : 'encoding'
  return 'format'
}
