import { writeUint16 } from './byte-order.js'
import { internetChecksum, transportChecksum } from './checksum.js'
import { IPPROTO_TCP, IPV6_HEADER } from './ip-header.js'
import type { TcpPacket } from './tcp-packet.js'

/**
 * Why a packet could not be changed; nothing in `out` may then be used:
 *
 * - `options`: no room for our option, whatever is given up
 * - `overlay-option`: ours is there already
 * - `too-long`: more than an IP packet, or than `out`, can hold
 * - `reset`: a RST is never answered by a RST
 */
export type EditFault = 'options' | 'overlay-option' | 'too-long' | 'reset'

const MAX_IP_LENGTH = 0xffff

/** What of a segment may be new: the lengths of its option area and payload, and its control bits. */
export interface Segment {
  readonly optionsLength: number
  readonly payloadLength: number
  readonly flags: number
}

/**
 * Makes a packet of what lies in `out`: an IP header, `tcpStart` bytes long with its options or extension
 * headers, and a TCP segment behind it. Sets data offset, IP length and both checksums, the TCP one in full,
 * since a queued packet may carry but the sum of its pseudo-header. Returns the packet's length.
 */
export function sealPacket(out: Uint8Array, tcpStart: number, segment: Segment): number | EditFault {
  const headerLength = 20 + segment.optionsLength
  const length = tcpStart + headerLength + segment.payloadLength
  const isIpv4 = out[0]! >>> 4 === 4
  const ipLength = isIpv4 ? length : length - IPV6_HEADER
  if (length > out.length || ipLength > MAX_IP_LENGTH) return 'too-long'
  out[tcpStart + 12] = (headerLength << 2) | (out[tcpStart + 12]! & 0x0f)
  out[tcpStart + 13] = segment.flags
  writeUint16(out, tcpStart + 16, 0)
  if (isIpv4) {
    writeUint16(out, 2, ipLength)
    writeUint16(out, 10, 0)
    writeUint16(out, 10, internetChecksum(out, 0, (out[0]! & 0x0f) * 4))
  } else writeUint16(out, 4, ipLength)
  writeUint16(out, tcpStart + 16, transportChecksum(out, tcpStart, length, IPPROTO_TCP))
  return length
}

/**
 * Copies the IP header and the fixed TCP header to the beginning of `out` and returns the former's length.
 */
export function copyHeaders(packet: TcpPacket, out: Uint8Array): number {
  const { data, ipOffset, optionsOffset } = packet
  for (let from = ipOffset; from < optionsOffset; from += 1) out[from - ipOffset] = data[from]!
  return packet.tcpOffset - ipOffset
}
