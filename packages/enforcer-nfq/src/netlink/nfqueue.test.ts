import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { messageEnd, messageType, NLMSG_ERROR, parseError } from './message.js'
import { MessageWriter } from './message-writer.js'
import {
  commandMessage,
  flagsMessage,
  NFQA_CFG_F_GSO,
  NFQNL_CFG_CMD_BIND,
  NFQNL_MSG_PACKET,
  paramsMessage,
  parsePacket,
  type VerdictFields,
  verdictBytes,
  writeVerdict,
} from './nfqueue.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text.replace(/[ |]/g, ''), 'hex'))
const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const blank = () => ({
  queue: 0,
  id: 0,
  hook: 0,
  mark: 0,
  offset: 0,
  length: 0,
  isTruncated: false,
  isChecksumPartial: false,
  isGso: false,
  isLoopback: false,
  interfaceIndex: 0,
})

function verdictOf(fields: Partial<VerdictFields>): Uint8Array {
  const writer = new MessageWriter(new Uint8Array(1024).fill(0xaa))
  const payload = fields.payload
  const rest = { mark: undefined, payload, payloadLength: payload?.length ?? 0 }
  writeVerdict(writer, { queue: 10, id: 0x11, verdict: 1, ...rest, ...fields })
  return writer.bytes.subarray(0, writer.length)
}

describe('messages the kernel accepted', () => {
  const head = (length: string, seq: string) => `${length}000000 0203 0500 ${seq}000000 00000000 0000000a`

  it('binds', () => {
    expect(hex(commandMessage(10, NFQNL_CFG_CMD_BIND, 1))).toBe(
      hex(bytesOf(`${head('1c', '01')} | 0800 0100 01000000`)),
    )
  })

  it('sets parameters and length', () => {
    expect(hex(paramsMessage(10, 0xffff, 1024, 2))).toBe(
      hex(bytesOf(`${head('28', '02')} | 0900 0200 0000ffff 02 000000 | 0800 0300 00000400`)),
    )
  })

  it('sets flags', () => {
    expect(hex(flagsMessage(10, NFQA_CFG_F_GSO, 3))).toBe(
      hex(bytesOf(`${head('24', '03')} | 0800 0400 00000004 | 0800 0500 00000004`)),
    )
  })

  // The vectors have seq 0; ours carries the id there, so that a refusal names its packet.
  it('accepts', () => {
    expect(hex(verdictOf({}))).toBe(
      hex(bytesOf('20000000 0103 0100 11000000 00000000 0000000a | 0c00 0200 00000001 00000011')),
    )
  })

  it('accepts with mark and payload', () => {
    const payload = bytesOf('deadbeef')
    const expected = `30000000 0103 0100 11000000 00000000 0000000a | 0c00 0200 00000001 00000011
      | 0800 0300 0000ee1e | 0800 0a00 deadbeef`
    expect(hex(verdictOf({ mark: 0xee1e, payload }))).toBe(hex(bytesOf(expected.replace(/\s+/g, ' '))))
  })

  it('pads with zeros and says beforehand how long a verdict will be', () => {
    const payload = bytesOf('0102030405ff')
    const message = verdictOf({ payload, payloadLength: 5 })
    expect(hex(message.subarray(32))).toBe('09000a000102030405000000')
    const fields = { queue: 1, id: 1, verdict: 1, mark: undefined, payload, payloadLength: 5 }
    expect(verdictBytes(fields)).toBe(message.length)
  })
})

describe('parsePacket', () => {
  const syn = '4500003c00010000400600000a0000010a000002'.padEnd(120, '0')
  const packet = bytesOf(
    `80000000 0003 0000 00000000 00000000 0200000a | 0b00 0100 00000001 0800 03 00 | 0800 0600 00000002
     | 0800 1000 00000000 | 0800 1100 00000000 | 0800 0e00 00000001 | 4000 0a00`.replace(/\s+/g, ' ') + syn,
  )

  it('reads a SYN in OUTPUT', () => {
    const fields = blank()
    expect(messageType(viewOf(packet), 0)).toBe(NFQNL_MSG_PACKET)
    expect(messageEnd(viewOf(packet), 0, packet.length)).toBe(128)
    expect(parsePacket(viewOf(packet), 0, 128, fields)).toBe(true)
    expect(fields).toEqual({
      ...blank(),
      queue: 10,
      id: 1,
      hook: 3,
      interfaceIndex: 2,
      offset: 68,
      length: 60,
      isChecksumPartial: true,
    })
  })

  it('reads mark, GSO and the mark of a cut packet, unsigned', () => {
    const more = `00000000 0003 0000 00000000 00000000 02000007 | 0b00 0100 ffffffff 86dd 01 00
      | 0800 0300 fffffffe | 0800 0e00 00000002 | 0800 0d00 0000ffff`
    const bytes = bytesOf(more.replace(/\s+/g, ' '))
    const fields = blank()
    expect(parsePacket(viewOf(bytes), 0, bytes.length, fields)).toBe(true)
    const expected = { queue: 7, id: 0xffffffff, hook: 1, mark: 0xfffffffe, isGso: true, isTruncated: true }
    expect(fields).toEqual({ ...blank(), ...expected })
  })

  it.each([
    ['in', '0500', true],
    ['out', '0600', true],
    ['in', '0500', false],
  ])('tells the loopback interface, by which the packet goes %s', (_, type, isLoopback) => {
    const index = isLoopback ? '00000001' : '00000002'
    const bytes = bytesOf(
      `00000000 0003 0000 00000000 00000000 02000007 | 0b00 0100 00000009 0800 01 00 | 0800 ${type} ${index}`,
    )
    const fields = blank()
    expect(parsePacket(viewOf(bytes), 0, bytes.length, fields)).toBe(true)
    const interfaceIndex = isLoopback ? 1 : 2
    expect(fields).toEqual({ ...blank(), queue: 7, id: 9, hook: 1, isLoopback, interfaceIndex })
  })

  it('gives what is there of a message that was cut', () => {
    const fields = blank()
    expect(parsePacket(viewOf(packet), 0, 100, fields)).toBe(true)
    expect(fields).toMatchObject({ offset: 68, length: 32, isTruncated: true })
  })

  it('refuses a message without a packet header', () => {
    expect(parsePacket(viewOf(packet), 0, 20, blank())).toBe(false)
    expect(parsePacket(viewOf(packet), 0, 4, blank())).toBe(false)
  })
})

describe('any bytes', () => {
  const limits = (bytes: Uint8Array) => {
    const view = viewOf(bytes)
    const fields = blank()
    parsePacket(view, 0, bytes.length, fields)
    expect(fields.offset + fields.length).toBeLessThanOrEqual(bytes.length)
    expect(fields.length).toBeGreaterThanOrEqual(0)
    const end = messageEnd(view, 0, bytes.length)
    expect(end === 0 || (end >= 16 && end <= bytes.length)).toBe(true)
    parseError(view, 0, bytes.length)
  }

  it('never throw and are never read past their end', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), limits), { numRuns: 2000 })
  })

  it('nor do attributes that lie about their length', () => {
    const attribute = fc.record({
      length: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 0xffff })),
      type: fc.constantFrom(0, 1, 3, 5, 6, 10, 13, 14, 0x800a, 0xffff),
      value: fc.uint8Array({ maxLength: 12 }),
    })
    const message = fc.array(attribute, { maxLength: 8 }).map(attributes => {
      const parts = attributes.flatMap(({ length, type, value }) => {
        return [...Buffer.from([length & 0xff, length >> 8, type & 0xff, type >> 8]), ...value]
      })
      return Uint8Array.from([...new Uint8Array(20), ...parts])
    })
    fc.assert(fc.property(message, limits), { numRuns: 2000 })
  })

  it('come back out of a verdict as they went in', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(0xffffffff), (payload, id) => {
      const message = verdictOf({ payload, id })
      const fields = blank()
      parsePacket(viewOf(message), 0, message.length, fields)
      expect(message.subarray(fields.offset, fields.offset + fields.length)).toEqual(payload)
      expect(messageEnd(viewOf(message), 0, message.length)).toBe(message.length)
    })
    fc.assert(property, { numRuns: 500 })
  })
})

describe('parseError', () => {
  it('names errno and the refused message', () => {
    const bytes = bytesOf(
      '24000000 0200 0000 11000000 00000000 feffffff 20000000 0103 0100 11000000 00000000',
    )
    expect(messageType(viewOf(bytes), 0)).toBe(NLMSG_ERROR)
    expect(parseError(viewOf(bytes), 0, bytes.length)).toEqual({ errno: 2, type: 0x0301, seq: 0x11 })
    expect(parseError(viewOf(bytes), 0, 35)).toBeUndefined()
  })
})
