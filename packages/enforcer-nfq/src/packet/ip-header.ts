import { readUint16 } from './byte-order.js'
import type { PacketFault } from './packet-fault.js'

export const IPPROTO_HOPOPTS = 0
export const IPPROTO_ICMP = 1
export const IPPROTO_TCP = 6
export const IPPROTO_UDP = 17
export const IPPROTO_ROUTING = 43
export const IPPROTO_FRAGMENT = 44
export const IPPROTO_ICMPV6 = 58
export const IPPROTO_DSTOPTS = 60

export const IPV4_MIN_HEADER = 20
export const IPV6_HEADER = 40

const IPOPT_END = 0
const IPOPT_NOOP = 1
const IPOPT_LSRR = 131
const IPOPT_SSRR = 137

/** More than any sender has a use for; bounds the work one packet can cause (RFC 8200 §4.1 lists seven). */
const MAX_EXTENSION_HEADERS = 8

/** Where the parts of an IP packet lie in `data`: byte offsets from its beginning. */
export interface IpLayout {
  data: Uint8Array
  family: 4 | 6
  ipOffset: number
  tcpOffset: number
  /** One past the packet's last byte. */
  packetEnd: number
}

/**
 * Fills in `family`, `tcpOffset` and `packetEnd` of the packet at `layout.ipOffset` and reads nothing at or
 * past `end`. After a fault the layout means nothing.
 */
export function readIpLayout(layout: IpLayout, end: number): PacketFault | undefined {
  if (layout.ipOffset >= end) return 'truncated'
  const version = layout.data[layout.ipOffset]! >>> 4
  if (version === 4) return readIpv4(layout, end)
  if (version === 6) return readIpv6(layout, end)
  return 'not-ip'
}

/** RFC 791 §3.1. */
function readIpv4(layout: IpLayout, end: number): PacketFault | undefined {
  const { data, ipOffset } = layout
  if (ipOffset + IPV4_MIN_HEADER > end) return 'truncated'
  const headerLength = (data[ipOffset]! & 0x0f) * 4
  const totalLength = readUint16(data, ipOffset + 2)
  if (headerLength < IPV4_MIN_HEADER || totalLength < headerLength) return 'malformed'
  if (ipOffset + totalLength > end) return 'truncated'
  if ((readUint16(data, ipOffset + 6) & 0x3fff) !== 0) return 'fragment'
  if (data[ipOffset + 9] !== IPPROTO_TCP) return 'not-tcp'
  layout.family = 4
  layout.tcpOffset = ipOffset + headerLength
  layout.packetEnd = ipOffset + totalLength
  return headerLength === IPV4_MIN_HEADER ? undefined : checkIpv4Options(layout)
}

function checkIpv4Options({ data, ipOffset, tcpOffset }: IpLayout): PacketFault | undefined {
  let at = ipOffset + IPV4_MIN_HEADER
  while (at < tcpOffset && data[at] !== IPOPT_END) {
    const kind = data[at]
    if (kind === IPOPT_NOOP) {
      at += 1
      continue
    }
    const size = at + 1 < tcpOffset ? data[at + 1]! : 0
    if (size < 2 || at + size > tcpOffset) return 'malformed'
    if (kind === IPOPT_LSRR || kind === IPOPT_SSRR) return 'source-route'
    at += size
  }
  return undefined
}

/** RFC 8200 §3 and §4. A jumbogram (RFC 2675) has payload length 0 and is found malformed. */
function readIpv6(layout: IpLayout, end: number): PacketFault | undefined {
  const { data, ipOffset } = layout
  const start = ipOffset + IPV6_HEADER
  if (start > end) return 'truncated'
  const packetEnd = start + readUint16(data, ipOffset + 4)
  if (packetEnd > end) return 'truncated'
  if (isMapped(data, ipOffset + 8) || isMapped(data, ipOffset + 24)) return 'mapped-address'
  layout.family = 6
  layout.tcpOffset = start
  layout.packetEnd = packetEnd
  const next = data[ipOffset + 6]!
  return next === IPPROTO_TCP ? undefined : skipExtensionHeaders(layout, next)
}

function skipExtensionHeaders(layout: IpLayout, first: number): PacketFault | undefined {
  const { data, packetEnd } = layout
  let kind = first
  let at = layout.tcpOffset
  for (let count = 0; count < MAX_EXTENSION_HEADERS; count += 1) {
    if (!isExtensionHeader(kind)) return 'not-tcp'
    if (at + 8 > packetEnd) return 'malformed'
    if (kind === IPPROTO_HOPOPTS && count > 0) return 'malformed'
    if (kind === IPPROTO_FRAGMENT && (readUint16(data, at + 2) & 0xfff9) !== 0) return 'fragment'
    if (kind === IPPROTO_ROUTING && data[at + 3] !== 0) return 'source-route'
    const size = kind === IPPROTO_FRAGMENT ? 8 : 8 + data[at + 1]! * 8
    if (at + size > packetEnd) return 'malformed'
    kind = data[at]!
    at += size
    if (kind === IPPROTO_TCP) {
      layout.tcpOffset = at
      return undefined
    }
  }
  return 'malformed'
}

function isExtensionHeader(kind: number): boolean {
  return (
    kind === IPPROTO_HOPOPTS ||
    kind === IPPROTO_ROUTING ||
    kind === IPPROTO_FRAGMENT ||
    kind === IPPROTO_DSTOPTS
  )
}

/** ::ffff:0:0/96 (RFC 4291 §2.5.5.2), which has no business on the wire. */
function isMapped(data: Uint8Array, at: number): boolean {
  if (data[at + 10] !== 0xff || data[at + 11] !== 0xff) return false
  for (let index = 0; index < 10; index += 1) if (data[at + index] !== 0) return false
  return true
}
