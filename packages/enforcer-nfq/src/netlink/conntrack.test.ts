import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  conntrackDeleteMessage,
  conntrackDumpMessage,
  conntrackFlipMessage,
  parseConntrack,
} from './conntrack.js'
import type { NetlinkMessage } from './socket.js'
import { parseSocket, socketDestroyMessage, socketDumpMessage } from './socket-end.js'

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replace(/[^0-9a-f]/g, ''), 'hex'))
}

function messageOf(bytes: Uint8Array): NetlinkMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return { view, start: 0, end: bytes.length, type: 0x0100 }
}

/** 192.0.2.1:40000 to 203.0.113.9:80, translated to 192.0.2.2:8080; mark 0x01400000, ID 0x11223344. */
const ENTRY = bytesOf(`
  a4000000 0001 0200 07000000 00000000 | 02000000
  34000180 14000180 08000100 c0000201 08000200 cb007109 1c000280 05000100 06000000 06000200 9c400000 06000300 00500000
  34000280 14000180 08000100 c0000202 08000200 c0000201 1c000280 05000100 06000000 06000200 1f900000 06000300 9c400000
  08000800 01400000 08000c00 11223344
  0600 1200 0007 0000`)

const mapped = (...last: number[]) => Uint8Array.from([...new Uint8Array(10), 0xff, 0xff, ...last])

describe('an entry of conntrack', () => {
  const entry = parseConntrack(messageOf(ENTRY))!

  it('is read with both directions', () => {
    expect(entry).toMatchObject({ family: 2, mark: 0x01400000 })
    const [client, service, server] = [mapped(192, 0, 2, 1), mapped(203, 0, 113, 9), mapped(192, 0, 2, 2)]
    expect(entry.original).toEqual({
      protocol: 6,
      source: client,
      destination: service,
      sourcePort: 40_000,
      destinationPort: 80,
    })
    expect(entry.reply).toMatchObject({ source: server, destination: client, sourcePort: 8080 })
  })

  it('is named by its own original tuple and zone, and to be removed by its ID besides', () => {
    const tuple = Buffer.from(ENTRY.subarray(20, 20 + 0x34)).toString('hex')
    const flip = Buffer.from(conntrackFlipMessage(entry, 0x03800000, 9)).toString('hex')
    expect(flip.slice(32)).toBe(`02000000${tuple}0600120000070000${'08000800'}03800000${'08001500'}00000000`)
    const removal = Buffer.from(conntrackDeleteMessage(entry, 9)).toString('hex')
    expect(removal.slice(32)).toBe(`02000000${tuple}08000c0011223344${'06001200'}00070000`)
  })

  it('is asked for by its mark', () => {
    const dump = Buffer.from(conntrackDumpMessage(0x00400000, 0x00400000, 1)).toString('hex')
    expect(dump).toBe(
      '24000000010101030100000000000000000000000800080000400000080015000040 0000'.replace(' ', ''),
    )
  })
})

describe('a socket', () => {
  it('is read, and ended by the very ID that the kernel gave', () => {
    const id = `9c401f90 c0000201 ${'00'.repeat(12)} c0000202 ${'00'.repeat(12)} 00000000 1122334455667788`
    const bytes = bytesOf(`58000000 1400 0200 01000000 00000000 02010000 ${id} ${'00'.repeat(20)}`)
    const socket = parseSocket(messageOf(bytes))!
    expect(Buffer.from(socket.key, 'latin1').toString('hex')).toBe(
      `${Buffer.from(mapped(192, 0, 2, 1)).toString('hex')}9c40${Buffer.from(mapped(192, 0, 2, 2)).toString('hex')}1f90`,
    )
    const end = socketDestroyMessage(socket, 3)
    expect(Buffer.from(end.subarray(24)).toString('hex')).toBe(id.replaceAll(' ', ''))
    expect(Buffer.from(end.subarray(0, 24)).toString('hex')).toBe(
      '48000000150005000300000000000000' + '02060000fffbffff',
    )
    expect(Buffer.from(socketDumpMessage(10, 3).subarray(4, 24)).toString('hex')).toBe(
      '140001030300000000000000' + '0a060000fffbffff',
    )
  })
})

it('any bytes are read without a throw and without a look past their end', () => {
  const attribute = fc.record({
    length: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 0xffff })),
    type: fc.constantFrom(1, 2, 8, 12, 18, 0x8001, 0x8002),
    value: fc.uint8Array({ maxLength: 60 }),
  })
  const message = fc.array(attribute, { maxLength: 6 }).map(attributes => {
    const parts = attributes.flatMap(({ length, type, value }) => [
      ...[length & 0xff, length >> 8, type & 0xff, type >> 8],
      ...value,
    ])
    return Uint8Array.from([...new Uint8Array(20), ...parts])
  })
  const anything = fc.oneof(message, fc.uint8Array({ minLength: 20, maxLength: 200 }))
  fc.assert(
    fc.property(anything, bytes => {
      parseConntrack(messageOf(bytes))
      parseSocket(messageOf(bytes))
    }),
    { numRuns: 3000 },
  )
})
