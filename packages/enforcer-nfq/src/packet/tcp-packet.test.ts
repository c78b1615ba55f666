import { formatAddress } from '@trireme/core'
import { describe, expect, it } from 'vitest'
import { icmpPacket, ipPacket, type TcpDescription, tcpPacket, udpPacket } from '../testing/index.js'
import type { PacketFault } from './packet-fault.js'
import { TCP_ACK, TCP_SYN } from './tcp-flags.js'
import { TcpPacket } from './tcp-packet.js'

const V4: TcpDescription = {
  source: '10.0.0.1',
  destination: '10.0.0.2',
  sourcePort: 40_000,
  destinationPort: 80,
}
const V6: TcpDescription = { ...V4, source: '2001:db8::1', destination: '2001:db8::2' }
const GOLDEN_SYN = Buffer.from(
  '4500004700014000400626ae0a0000010a0000029c400050000003e800000000b002faf077c10000020405b40402080a010203040000000001030307fe0454726f7665726c6179',
  'hex',
)

function parse(bytes: Uint8Array): TcpPacket {
  const packet = new TcpPacket()
  expect(packet.parse(bytes, 0, bytes.length)).toBeUndefined()
  return packet
}

function faultOf(bytes: Uint8Array): PacketFault | undefined {
  return new TcpPacket().parse(bytes, 0, bytes.length)
}

/** The bytes with some of them replaced: index and value in turn. */
function patched(
  bytes: Uint8Array,
  ...patches: readonly (readonly [at: number, value: number])[]
): Uint8Array {
  const copy = bytes.slice()
  for (const [at, value] of patches) copy[at] = value
  return copy
}

describe('TcpPacket', () => {
  it('reads a captured SYN with an overlay, in place and with garbage behind it', () => {
    const buffer = Buffer.concat([Buffer.alloc(20, 0xff), GOLDEN_SYN, Buffer.alloc(9, 0xff)])
    const packet = new TcpPacket()
    expect(packet.parse(buffer, 20, GOLDEN_SYN.length + 5)).toBeUndefined()
    expect(packet).toMatchObject({
      family: 4,
      ipOffset: 20,
      tcpOffset: 40,
      payloadOffset: 84,
      payloadLength: 7,
      packetLength: 71,
      tcpHeaderLength: 44,
      sourcePort: 40_000,
      destinationPort: 80,
      sequence: 1_000,
      acknowledgement: 0,
      flags: TCP_SYN,
      window: 64_240,
      hasOverlayOption: true,
      overlayOptionOffset: 80,
      hasFastOpenOption: false,
      isSyn: true,
      isSynAck: false,
    })
    expect(formatAddress(packet.source)).toBe('10.0.0.1')
    expect(formatAddress(packet.destination)).toBe('10.0.0.2')
    expect(Buffer.from(packet.payload()).toString()).toBe('overlay')
    expect(Buffer.from(packet.copy())).toEqual(GOLDEN_SYN)
  })

  it('reads sequence numbers as unsigned', () => {
    const packet = parse(
      tcpPacket({ ...V4, sequence: 0xfffffffe, acknowledgement: 0x80000000, flags: ['ACK'] }),
    )
    expect([packet.sequence, packet.acknowledgement, packet.flags]).toEqual([0xfffffffe, 0x80000000, TCP_ACK])
  })

  it('finds TCP behind IPv4 options and IPv6 extension headers', () => {
    expect(parse(tcpPacket({ ...V4, ipOptions: Uint8Array.of(148, 4, 0, 0) })).tcpOffset).toBe(24)
    const extensionHeaders = [0, 60, 43, 44, 60].map(kind => ({ kind, body: new Uint8Array(6) }))
    expect(parse(tcpPacket({ ...V6, extensionHeaders })).tcpOffset).toBe(80)
    const eight = Array.from({ length: 8 }, () => ({ kind: 60, body: new Uint8Array(6) }))
    expect(parse(tcpPacket({ ...V6, extensionHeaders: eight })).tcpOffset).toBe(104)
  })

  it('keeps no address of an earlier packet', () => {
    const packet = new TcpPacket()
    for (const description of [V6, V4, V6]) {
      const bytes = tcpPacket(description)
      packet.parse(bytes, 0, bytes.length)
      expect(formatAddress(packet.source)).toBe(description.source)
      expect(formatAddress(packet.destination)).toBe(description.destination)
    }
  })

  it('names a flow the same from both ends', () => {
    const there = parse(tcpPacket(V4))
    const back = { source: V4.destination, destination: V4.source, sourcePort: 80, destinationPort: 40_000 }
    const packet = parse(tcpPacket(back))
    expect(packet.reverseFlowKey()).toBe(there.flowKey())
    expect(packet.flowKey()).toBe(there.reverseFlowKey())
    expect(packet.flowKey()).not.toBe(there.flowKey())
    const written = Buffer.alloc(40)
    there.writeFlowKey(written, 2)
    expect(written.toString('latin1', 2, 38)).toBe(there.flowKey())
    packet.writeReverseFlowKey(written, 2)
    expect(written.toString('latin1', 2, 38)).toBe(there.flowKey())
  })

  it('tells the kinds of segment apart', () => {
    const kinds = (flags: TcpDescription['flags']) => {
      const { isSyn, isSynAck, isRst, isBareAck } = parse(tcpPacket({ ...V4, flags: flags ?? [] }))
      return Object.entries({ isSyn, isSynAck, isRst, isBareAck }).flatMap(([name, is]) => (is ? [name] : []))
    }
    expect(kinds(['SYN', 'ECE', 'CWR'])).toEqual(['isSyn'])
    expect(kinds(['SYN', 'ACK', 'PSH'])).toEqual(['isSynAck'])
    expect(kinds(['RST', 'ACK'])).toEqual(['isRst'])
    expect(kinds(['ACK'])).toEqual(['isBareAck'])
    for (const odd of [['SYN', 'FIN'], ['SYN', 'RST'], ['FIN', 'ACK'], []] as const)
      expect(kinds(odd)).toEqual([])
    expect(parse(tcpPacket({ ...V4, flags: ['ACK'], payload: 'x' })).isBareAck).toBe(false)
  })
})

describe('faults', () => {
  it.each<[string, PacketFault, Uint8Array]>([
    ['nothing', 'truncated', new Uint8Array(0)],
    ['version 5', 'not-ip', new Uint8Array(60).fill(0x55)],
    ['UDP', 'not-tcp', udpPacket({ ...V4, payload: 'x' })],
    ['ICMP', 'not-tcp', icmpPacket({ ...V4, type: 8 })],
    ['ICMPv6', 'not-tcp', icmpPacket({ ...V6, type: 128 })],
    ['AH before TCP', 'not-tcp', ipPacket(V6, 51, new Uint8Array(40))],
    ['a first fragment', 'fragment', tcpPacket({ ...V4, fragmentField: 0x2000 })],
    ['a later fragment', 'fragment', tcpPacket({ ...V4, fragmentField: 0x0001 })],
    [
      'an IPv6 fragment',
      'fragment',
      tcpPacket({ ...V6, extensionHeaders: [{ kind: 44, body: Uint8Array.of(0, 1) }] }),
    ],
    ['a total length beyond the bytes', 'truncated', tcpPacket({ ...V4, ipLength: 41 })],
    ['a total length within the IP header', 'malformed', tcpPacket({ ...V4, ipLength: 19 })],
    ['a total length within the TCP header', 'malformed', tcpPacket({ ...V4, ipLength: 39 })],
    ['an IHL below 5', 'malformed', patched(tcpPacket(V4), [0, 0x44])],
    ['an IHL beyond the packet', 'malformed', patched(tcpPacket(V4), [0, 0x4f])],
    ['an IPv4 option of length 1', 'malformed', tcpPacket({ ...V4, ipOptions: Uint8Array.of(148, 1, 0, 0) })],
    [
      'an IPv4 option beyond the header',
      'malformed',
      tcpPacket({ ...V4, ipOptions: Uint8Array.of(1, 1, 148, 3) }),
    ],
    ['loose source routing', 'source-route', tcpPacket({ ...V4, ipOptions: Uint8Array.of(131, 3, 4, 0) })],
    [
      'an open routing header',
      'source-route',
      tcpPacket({ ...V6, extensionHeaders: [{ kind: 43, body: Uint8Array.of(2, 1) }] }),
    ],
    ['hop-by-hop options not in front', 'malformed', tcpPacket({ ...V6, extensionHeaders: headers(60, 0) })],
    [
      'nine extension headers',
      'malformed',
      tcpPacket({ ...V6, extensionHeaders: headers(...Array(9).fill(60)) }),
    ],
    [
      'an extension header beyond the packet',
      'malformed',
      patched(ipPacket(V6, 60, new Uint8Array(40)), [41, 5]),
    ],
    ['a jumbogram', 'malformed', tcpPacket({ ...V6, ipLength: 0 })],
    ['an IPv4-mapped source in IPv6', 'mapped-address', tcpPacket({ ...V6, source: '::ffff:10.0.0.1' })],
    ['a data offset of 4', 'malformed', tcpPacket({ ...V4, dataOffset: 4 })],
    ['a data offset of 15 on 40 bytes', 'malformed', tcpPacket({ ...V4, dataOffset: 15 })],
    ['a TCP option of length 0', 'malformed', tcpPacket({ ...V4, options: [{ raw: [8, 0, 1, 1] }] })],
    ['a TCP option of length 1', 'malformed', tcpPacket({ ...V4, options: [{ raw: [8, 1, 1, 1] }] })],
    [
      'a TCP option without length',
      'malformed',
      tcpPacket({ ...V4, options: ['nop', 'nop', 'nop', { raw: [8] }] }),
    ],
    ['a TCP option beyond the header', 'malformed', tcpPacket({ ...V4, options: [{ raw: [8, 5, 1, 1] }] })],
    ['our option twice', 'overlay-option', tcpPacket({ ...V4, options: ['overlay', 'nop', 'overlay'] })],
    [
      'our option with another length',
      'overlay-option',
      tcpPacket({ ...V4, options: [{ experiment: 0x5472, data: new Uint8Array(2) }] }),
    ],
  ])('%s: %s', (_name, fault, bytes) => {
    expect(faultOf(bytes)).toBe(fault)
  })

  function headers(...kinds: number[]) {
    return kinds.map(kind => ({ kind, body: new Uint8Array(6) }))
  }

  it.each([4, 6])('regression 8: every length short of an IPv%i packet is a fault', family => {
    const bytes = tcpPacket({ ...(family === 4 ? V4 : V6), options: [{ mss: 1460 }] })
    for (let length = 0; length < bytes.length; length += 1) {
      expect(faultOf(bytes.subarray(0, length))).toBe('truncated')
      const shortened = tcpPacket({ ...(family === 4 ? V4 : V6), ipLength: length })
      if (length < (family === 4 ? 40 : 20)) expect(faultOf(shortened)).toBe('malformed')
    }
  })

  it.each([
    [0, 41],
    [-1, 20],
    [1, 40],
    [0, -1],
    [Number.NaN, 40],
    [0, Number.NaN],
  ])('a range outside the bytes is truncated: offset %d, length %d', (offset, length) => {
    expect(new TcpPacket().parse(tcpPacket(V4), offset, length)).toBe('truncated')
  })

  it('ignores kind 254 with another identifier or with none, and whatever follows the end of the list', () => {
    const options = [
      { experiment: 0x1234 },
      { raw: [254, 2] },
      'overlay',
      'eol',
      'overlay',
      'overlay',
    ] as const
    expect(parse(tcpPacket({ ...V4, options })).overlayOptionOffset).toBe(46)
    expect(parse(tcpPacket({ ...V4, options: ['eol', 'overlay'] })).hasOverlayOption).toBe(false)
  })

  it('sees Fast Open under its kind and under its old identifier (RFC 7413 §4.1.1)', () => {
    for (const option of [{ fastOpen: new Uint8Array(0) }, { experiment: 0xf989, data: new Uint8Array(8) }]) {
      expect(parse(tcpPacket({ ...V4, flags: ['SYN'], options: [option] })).hasFastOpenOption).toBe(true)
    }
  })
})
