import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MessageWriter } from './message-writer.js'
import {
  logCommandMessage,
  logModeMessage,
  NFULNL_CFG_CMD_BIND,
  NFULNL_MSG_PACKET,
  parseLogged,
} from './nflog.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('messages of the log subsystem', () => {
  it('bind a group, and ask for the beginning of each packet at once', () => {
    expect(hex(logCommandMessage(10, NFULNL_CFG_CMD_BIND, 1))).toBe(
      '1c0000000104050001000000000000000000000a' + '0500010001000000',
    )
    expect(hex(logModeMessage(10, 128, 2))).toBe(
      '280000000104050002000000000000000000000a' + '0a000200000000800200' + '0000' + '0800050000000001',
    )
  })

  it('give the packet that was logged', () => {
    const writer = new MessageWriter(new Uint8Array(64))
    writer.begin(NFULNL_MSG_PACKET, 0, 0, 10)
    writer.uint32(1, 0x08000100)
    writer.binary(10, Buffer.from('4097-accept\0'), 12)
    writer.binary(9, Uint8Array.of(0x45, 1, 2), 3)
    writer.end()
    const fields = { hook: 0, prefix: '', offset: 0, length: 0 }
    const view = new DataView(writer.bytes.buffer)
    expect(parseLogged(view, 0, writer.length, fields)).toBe(true)
    expect(hex(writer.bytes.subarray(fields.offset, fields.offset + fields.length))).toBe('450102')
    expect(fields).toMatchObject({ hook: 1, prefix: '4097-accept' })
  })

  it('never throw and are never read past their end, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        const fields = { hook: 0, prefix: '', offset: 0, length: 0 }
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        if (parseLogged(view, 0, bytes.length, fields)) {
          expect(fields.offset + fields.length).toBeLessThanOrEqual(bytes.length)
        }
      }),
    )
  })
})
