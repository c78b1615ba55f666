import { describe, expect, it } from 'vitest'
import { describePacket, LINUX_SYN_OPTIONS, type TcpDescription, tcpPacket } from '../testing/index.js'
import { isSound } from './packet-arbitraries.js'
import { rewriteSynAckToLateReset, rewriteSynAckToReset, rewriteToReset, writeReset } from './reset.js'
import type { EditFault } from './seal.js'
import { TcpPacket } from './tcp-packet.js'

const V4: TcpDescription = {
  source: '10.0.0.1',
  destination: '10.0.0.2',
  sourcePort: 40_000,
  destinationPort: 80,
  sequence: 1_000,
}
const V6: TcpDescription = { ...V4, source: '2001:db8::1', destination: '2001:db8::2' }

function reset(
  description: TcpDescription,
  write: (packet: TcpPacket, out: Uint8Array) => number | EditFault,
): Uint8Array {
  const bytes = tcpPacket(description)
  const packet = new TcpPacket()
  expect(packet.parse(bytes, 0, bytes.length)).toBeUndefined()
  const out = new Uint8Array(2_048).fill(0xa5)
  const length = write(packet, out)
  if (typeof length === 'string') throw new Error(length)
  expect(isSound(out.slice(0, length))).toBe(true)
  return out.slice(0, length)
}

describe('rewriteSynAckToReset', () => {
  it('becomes RST+ACK with the numbers of the SYN-ACK, bare', () => {
    const options = [...LINUX_SYN_OPTIONS, 'overlay'] as const
    const synAck: TcpDescription = {
      ...V4,
      acknowledgement: 77,
      flags: ['SYN', 'ACK'],
      options,
      payload: 'overlay',
    }
    const expected = 'RST ACK 10.0.0.1:40000 > 10.0.0.2:80 seq 1000 ack 77 win 0 [] payload 0'
    expect(describePacket(reset(synAck, rewriteSynAckToReset))).toBe(expected)
  })
})

it('rewriteSynAckToLateReset: at the number after the SYN-ACK’s, without ACK, bare', () => {
  const options = [...LINUX_SYN_OPTIONS, 'overlay'] as const
  const flags = ['SYN', 'ACK'] as const
  for (const [sequence, next] of [
    [1000, 1001],
    [0xffff_ffff, 0],
  ] as const) {
    const bytes = reset({ ...V4, sequence, acknowledgement: 77, flags, options }, rewriteSynAckToLateReset)
    const expected = `RST 10.0.0.1:40000 > 10.0.0.2:80 seq ${next} ack 0 win 0 [] payload 0`
    expect(describePacket(bytes)).toBe(expected)
  }
})

describe('rewriteToReset', () => {
  it('keeps the IP header with its options and has no ACK where the segment had none', () => {
    const ipOptions = Uint8Array.of(148, 4, 0, 0)
    const bytes = reset({ ...V4, flags: ['SYN'], acknowledgement: 5, ttl: 9, ipOptions }, rewriteToReset)
    expect(describePacket(bytes)).toBe('RST 10.0.0.1:40000 > 10.0.0.2:80 seq 1000 ack 0 win 0 [] payload 0')
    expect([bytes.length, bytes[8], ...bytes.subarray(20, 24)]).toEqual([44, 9, 148, 4, 0, 0])
  })

  it('keeps IPv6 extension headers', () => {
    const extensionHeaders = [{ kind: 60, body: new Uint8Array(6) }]
    const bytes = reset({ ...V6, flags: ['ACK'], acknowledgement: 5, extensionHeaders }, rewriteToReset)
    expect(bytes.length).toBe(68)
    expect(describePacket(bytes)).toContain('RST ACK [2001:db8::1]:40000 > [2001:db8::2]:80 seq 1000 ack 5')
  })
})

describe('writeReset', () => {
  it('writes the golden bytes in answer to a SYN', () => {
    const bytes = reset({ ...V4, flags: ['SYN'] }, (packet, out) => writeReset(packet, out, true))
    expect(Buffer.from(bytes).toString('hex')).toBe(
      '4500002800004000400626ce0a0000020a00000100509c4000000000000003e950140000fb540000',
    )
  })

  it.each<[string, Partial<TcpDescription>, boolean, string]>([
    [
      'the ack of a segment that has one',
      { flags: ['ACK'], acknowledgement: 55, payload: 'data' },
      true,
      'seq 55 ack 0',
    ],
    ['SYN and payload', { flags: ['SYN'], payload: 'data' }, true, 'seq 0 ack 1005'],
    ['FIN and payload', { flags: ['FIN'], payload: 'data' }, true, 'seq 0 ack 1005'],
    ['no payload where told so', { flags: ['SYN'], payload: 'data' }, false, 'seq 0 ack 1001'],
    [
      'never an overlay',
      { flags: ['SYN'], options: ['overlay'], payload: 'overlay' },
      true,
      'seq 0 ack 1001',
    ],
    ['across the wrap', { flags: ['SYN'], sequence: 0xffffffff, payload: 'data' }, true, 'seq 0 ack 4'],
  ])('counts %s', (_name, part, countPayload, numbers) => {
    for (const base of [V4, V6]) {
      const bytes = reset({ ...base, ...part }, (packet, out) => writeReset(packet, out, countPayload))
      expect(describePacket(bytes)).toContain(` ${numbers} win 0 [] payload 0`)
    }
  })

  it('goes the other way under a fresh header', () => {
    const description: TcpDescription = {
      ...V6,
      ttl: 1,
      flags: ['ACK'],
      extensionHeaders: [{ kind: 60, body: new Uint8Array(6) }],
    }
    const bytes = reset(description, (packet, out) => writeReset(packet, out, false))
    expect([bytes.length, bytes[7]]).toEqual([60, 64])
    expect(describePacket(bytes)).toMatch(/^RST \[2001:db8::2\]:80 > \[2001:db8::1\]:40000 /)
  })

  it('never answers a RST, and writes to no buffer too small', () => {
    const rst = tcpPacket({ ...V4, flags: ['SYN', 'RST'] })
    const packet = new TcpPacket()
    packet.parse(rst, 0, rst.length)
    expect(writeReset(packet, new Uint8Array(100), true)).toBe('reset')
    const syn = tcpPacket({ ...V4, flags: ['SYN'] })
    packet.parse(syn, 0, syn.length)
    expect(writeReset(packet, new Uint8Array(39), true)).toBe('too-long')
    expect(rewriteToReset(packet, new Uint8Array(39))).toBe('too-long')
  })
})
