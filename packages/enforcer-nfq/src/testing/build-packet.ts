import { writeUint16, writeUint32 } from '../packet/byte-order.js'
import { internetChecksum, transportChecksum } from '../packet/checksum.js'
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from '../packet/ip-header.js'
import { buildIp, type IpDescription } from './build-ip.js'
import { buildOptions, type TcpOption } from './build-options.js'
import { FLAG_BITS, type TcpFlag } from './tcp-flag.js'

/** A TCP packet in words. What is not stated is right, or 0. */
export interface TcpDescription extends IpDescription {
  readonly sourcePort: number
  readonly destinationPort: number
  readonly sequence?: number
  readonly acknowledgement?: number
  readonly flags?: readonly TcpFlag[]
  /** Default 64,240. */
  readonly window?: number
  readonly urgentPointer?: number
  readonly options?: readonly TcpOption[]
  /** Bytes, or text in UTF-8. */
  readonly payload?: Uint8Array | string
  /** Words of TCP header, stated instead of the right number. */
  readonly dataOffset?: number
  /** Stated instead of the right one. */
  readonly tcpChecksum?: number
}

/** Builds a TCP packet (RFC 9293 §3.1). */
export function tcpPacket(description: TcpDescription): Uint8Array {
  const options = buildOptions(description.options ?? [])
  const payload = payloadBytes(description.payload)
  const headerLength = 20 + options.length
  const { bytes, segmentStart } = buildIp(description, IPPROTO_TCP, headerLength + payload.length)
  const segment = bytes.subarray(segmentStart)
  writeUint16(segment, 0, description.sourcePort)
  writeUint16(segment, 2, description.destinationPort)
  writeUint32(segment, 4, description.sequence ?? 0)
  writeUint32(segment, 8, description.acknowledgement ?? 0)
  segment[12] = (description.dataOffset ?? headerLength / 4) << 4
  segment[13] = flagByte(description.flags ?? [])
  writeUint16(segment, 14, description.window ?? 64_240)
  writeUint16(segment, 18, description.urgentPointer ?? 0)
  segment.set(options, 20)
  segment.set(payload, headerLength)
  const checksum = () => transportChecksum(bytes, segmentStart, bytes.length, IPPROTO_TCP)
  writeUint16(segment, 16, description.tcpChecksum ?? checksum())
  return bytes
}

/** A UDP packet in words. */
export interface UdpDescription extends IpDescription {
  readonly sourcePort: number
  readonly destinationPort: number
  readonly payload?: Uint8Array | string
}

/** Builds a UDP packet (RFC 768). */
export function udpPacket(description: UdpDescription): Uint8Array {
  const payload = payloadBytes(description.payload)
  const { bytes, segmentStart } = buildIp(description, IPPROTO_UDP, 8 + payload.length)
  writeUint16(bytes, segmentStart, description.sourcePort)
  writeUint16(bytes, segmentStart + 2, description.destinationPort)
  writeUint16(bytes, segmentStart + 4, 8 + payload.length)
  bytes.set(payload, segmentStart + 8)
  const checksum = transportChecksum(bytes, segmentStart, bytes.length, IPPROTO_UDP)
  writeUint16(bytes, segmentStart + 6, checksum === 0 ? 0xffff : checksum)
  return bytes
}

/** An ICMP or ICMPv6 packet in words: `body` is what follows the checksum. */
export interface IcmpDescription extends IpDescription {
  readonly type: number
  readonly code?: number
  readonly body?: Uint8Array
}

/** Builds an ICMP packet (RFC 792), or an ICMPv6 one (RFC 4443) between IPv6 addresses. */
export function icmpPacket(description: IcmpDescription): Uint8Array {
  const body = description.body ?? new Uint8Array(4)
  const protocol = description.source.includes(':') ? IPPROTO_ICMPV6 : IPPROTO_ICMP
  const { bytes, segmentStart } = buildIp(description, protocol, 4 + body.length)
  bytes[segmentStart] = description.type
  bytes[segmentStart + 1] = description.code ?? 0
  bytes.set(body, segmentStart + 4)
  const checksum =
    protocol === IPPROTO_ICMP
      ? internetChecksum(bytes, segmentStart, bytes.length)
      : transportChecksum(bytes, segmentStart, bytes.length, protocol)
  writeUint16(bytes, segmentStart + 2, checksum)
  return bytes
}

/** Builds an IP packet of any protocol around raw bytes. */
export function ipPacket(description: IpDescription, protocol: number, segment: Uint8Array): Uint8Array {
  const { bytes, segmentStart } = buildIp(description, protocol, segment.length)
  bytes.set(segment, segmentStart)
  return bytes
}

function flagByte(flags: readonly TcpFlag[]): number {
  return flags.reduce((bits, flag) => bits | FLAG_BITS[flag], 0)
}

function payloadBytes(payload: Uint8Array | string | undefined): Uint8Array {
  if (typeof payload === 'string') return new TextEncoder().encode(payload)
  return payload ?? new Uint8Array(0)
}
