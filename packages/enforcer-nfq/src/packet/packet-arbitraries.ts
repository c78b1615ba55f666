import fc from 'fast-check'
import type { IpDescription, TcpDescription, TcpFlag, TcpOption } from '../testing/index.js'
import { buildOptions } from '../testing/index.js'

// What the tests of this directory share; imported by tests alone.

const { TRIREME_FUZZ_RUNS = '2000' } = process.env
export const fuzzRuns = Number(TRIREME_FUZZ_RUNS)
export const fuzzTimeoutMs = 20_000 + fuzzRuns * 5

export const FLAG_NAMES: readonly TcpFlag[] = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR']

const uint16 = fc.integer({ min: 0, max: 0xffff })
const uint32 = fc.integer({ min: 0, max: 0xffffffff })
const bytes = (maxLength: number) => fc.uint8Array({ maxLength })

/** Options that nothing ever removes. */
const keptOption: fc.Arbitrary<TcpOption> = fc.oneof(
  fc.constant<TcpOption>('sack-permitted'),
  fc.record({ mss: uint16 }),
  fc.record({ windowScale: fc.integer({ min: 0, max: 14 }) }),
  fc.record({ timestamps: fc.tuple(uint32, uint32) }),
  fc.record({ sack: fc.array(fc.tuple(uint32, uint32), { minLength: 1, maxLength: 3 }) }),
  fc.record({ experiment: fc.constantFrom(0x1234, 0x5473, 0x7254), data: bytes(6) }),
  fc.record({ raw: fc.constant([254, 2]) }),
)

const anyOption: fc.Arbitrary<TcpOption> = fc.oneof(
  { weight: 4, arbitrary: keptOption },
  { weight: 1, arbitrary: fc.constant<TcpOption>('nop') },
  { weight: 1, arbitrary: fc.record({ fastOpen: bytes(8) }) },
  { weight: 1, arbitrary: fc.record({ mptcp: bytes(10) }) },
  { weight: 1, arbitrary: fc.record({ experiment: fc.constant(0xf989), data: bytes(8) }) },
)

function optionList(option: fc.Arbitrary<TcpOption>, maxBytes: number): fc.Arbitrary<readonly TcpOption[]> {
  return fc
    .tuple(fc.array(option, { maxLength: 8 }), fc.boolean())
    .map(([options, ends]) => (ends ? [...options, 'eol' as const] : options))
    .filter(options => buildOptions(options).length <= maxBytes)
}

const ipv4: fc.Arbitrary<IpDescription> = fc.record(
  {
    source: fc.ipV4(),
    destination: fc.ipV4(),
    ttl: fc.integer({ min: 1, max: 255 }),
    ipOptions: fc.constantFrom(Uint8Array.of(148, 4, 0, 0), Uint8Array.of(1, 1, 7, 7, 4, 0, 0, 0, 0)),
  },
  { requiredKeys: ['source', 'destination'] },
)

const globalIpv6 = fc.ipV6().filter(text => !text.includes('.') && !/ffff/i.test(text))

const ipv6: fc.Arbitrary<IpDescription> = fc.record(
  {
    source: globalIpv6,
    destination: globalIpv6,
    extensionHeaders: fc.constantFrom(
      [{ kind: 0, body: Uint8Array.of(5, 2, 0, 0, 1, 0) }],
      [{ kind: 60, body: Uint8Array.of(1, 12) }],
      [
        { kind: 0, body: Uint8Array.of(1, 4) },
        { kind: 43, body: Uint8Array.of(4, 0) },
        { kind: 44, body: Uint8Array.of(0, 0) },
      ],
    ),
  },
  { requiredKeys: ['source', 'destination'] },
)

const segment = {
  sourcePort: uint16,
  destinationPort: uint16,
  sequence: uint32,
  acknowledgement: uint32,
  window: uint16,
}

/** Any well-formed packet without our option. */
export const anyPacket: fc.Arbitrary<TcpDescription> = fc
  .tuple(
    fc.oneof(ipv4, ipv6),
    fc.record({
      ...segment,
      flags: fc.subarray([...FLAG_NAMES]),
      options: optionList(anyOption, 40),
      payload: bytes(64),
    }),
  )
  .map(([ip, tcp]) => ({ ...ip, ...tcp }))

/** A packet of a handshake from which nothing has to be removed to attach an overlay. */
export const handshakePacket: fc.Arbitrary<TcpDescription> = fc
  .tuple(
    fc.oneof(ipv4, ipv6),
    fc.record({
      ...segment,
      flags: fc.constantFrom<TcpFlag[]>(
        ['SYN'],
        ['SYN', 'ECE', 'CWR'],
        ['SYN', 'ACK'],
        ['ACK'],
        ['ACK', 'FIN'],
      ),
      options: optionList(fc.oneof(keptOption, fc.constant<TcpOption>('nop')), 36),
    }),
  )
  .map(([ip, tcp]) => ({ ...ip, ...tcp }))

/** The bytes in the middle of a buffer whose other bytes are `poison`. */
export function surround(packet: Uint8Array, poison: number): { data: Uint8Array; offset: number } {
  const data = new Uint8Array(packet.length + 200).fill(poison)
  data.set(packet, 100)
  return { data, offset: 100 }
}

/**
 * The internet checksum by another way than the product's: the bytes as one number modulo 2^16 - 1 (RFC 1071
 * §2).
 */
export function naiveChecksum(data: Uint8Array): number {
  const even = data.length % 2 === 0 ? [...data] : [...data, 0]
  const value = even.reduce((sum, byte) => (sum * 256 + byte) % 0xffff, 0)
  const isZero = even.every(byte => byte === 0)
  return 0xffff - (value === 0 && !isZero ? 0xffff : value)
}

/**
 * Whether every checksum and length of a packet that fills `packet` is right, found without the product's
 * code.
 */
export function isSound(packet: Uint8Array): boolean {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length)
  const isIpv4 = packet[0]! >> 4 === 4
  const tcpStart = isIpv4 ? (packet[0]! & 15) * 4 : tcpStartOfIpv6(packet)
  const segmentBytes = packet.subarray(tcpStart)
  const addresses = isIpv4 ? packet.subarray(12, 20) : packet.subarray(8, 40)
  const pseudo = Uint8Array.of(
    ...addresses,
    0,
    6,
    segmentBytes.length >> 8,
    segmentBytes.length & 255,
    ...segmentBytes,
  )
  if (naiveChecksum(pseudo) !== 0) return false
  if (!isIpv4) return view.getUint16(4) === packet.length - 40
  return view.getUint16(2) === packet.length && naiveChecksum(packet.subarray(0, tcpStart)) === 0
}

function tcpStartOfIpv6(packet: Uint8Array): number {
  let at = 40
  for (let kind = packet[6]!; kind !== 6; ) {
    const size = kind === 44 ? 8 : (packet[at + 1]! + 1) * 8
    kind = packet[at]!
    at += size
  }
  return at
}
