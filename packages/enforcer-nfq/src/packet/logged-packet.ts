import type { PacketProtocol } from '@trireme/core'
import { readUint16 } from './byte-order.js'
import {
  IPPROTO_DSTOPTS,
  IPPROTO_FRAGMENT,
  IPPROTO_HOPOPTS,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_ROUTING,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV4_MIN_HEADER,
  IPV6_HEADER,
} from './ip-header.js'

/** The ends of a packet of any protocol, as a flow record shows them. */
export interface PacketEnds {
  /** 16 bytes, IPv4 in its mapped form. */
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly protocol: PacketProtocol
  /** 0 where the protocol has no ports, like `destinationPort`. */
  readonly sourcePort: number
  readonly destinationPort: number
}

/**
 * Reads the beginning of a packet at `data[offset]`, of which `length` bytes are there. Total: undefined for what is no IP packet,
 * and nothing is read outside the range. For records alone: it checks less than the data path must.
 */
export function readEnds(data: Uint8Array, offset: number, length: number): PacketEnds | undefined {
  const bytes = data.subarray(offset, offset + length)
  const version = (bytes[0] ?? 0) >>> 4
  if (version === 4 && bytes.length >= IPV4_MIN_HEADER) return ipv4Ends(bytes)
  return version === 6 && bytes.length >= IPV6_HEADER ? ipv6Ends(bytes) : undefined
}

/** RFC 791 §3.1. */
function ipv4Ends(bytes: Uint8Array): PacketEnds {
  const source = mapped(bytes.subarray(12, 16))
  const destination = mapped(bytes.subarray(16, 20))
  return { source, destination, ...transport(bytes, bytes[9]!, (bytes[0]! & 0x0f) * 4) }
}

/** RFC 8200 §4. */
function ipv6Ends(bytes: Uint8Array): PacketEnds {
  const source = bytes.slice(8, 24)
  const destination = bytes.slice(24, 40)
  let kind = bytes[6]!
  let at = IPV6_HEADER
  while (EXTENSION_HEADERS.includes(kind) && at + 8 <= bytes.length) {
    const size = kind === IPPROTO_FRAGMENT ? 8 : 8 + bytes[at + 1]! * 8
    kind = bytes[at]!
    at += size
  }
  return { source, destination, ...transport(bytes, kind, at) }
}

const EXTENSION_HEADERS: readonly number[] = [
  IPPROTO_HOPOPTS,
  IPPROTO_ROUTING,
  IPPROTO_FRAGMENT,
  IPPROTO_DSTOPTS,
]

const PROTOCOLS: ReadonlyMap<number, PacketProtocol> = new Map([
  [IPPROTO_TCP, 'tcp'],
  [IPPROTO_UDP, 'udp'],
  [IPPROTO_ICMP, 'icmp'],
  [IPPROTO_ICMPV6, 'icmp'],
])

function transport(bytes: Uint8Array, kind: number, at: number) {
  const protocol = PROTOCOLS.get(kind) ?? 'other'
  const hasPorts = (protocol === 'tcp' || protocol === 'udp') && at + 4 <= bytes.length
  return {
    protocol,
    sourcePort: hasPorts ? readUint16(bytes, at) : 0,
    destinationPort: hasPorts ? readUint16(bytes, at + 2) : 0,
  }
}

function mapped(ipv4: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16)
  bytes.fill(0xff, 10, 12)
  bytes.set(ipv4, 12)
  return bytes
}
