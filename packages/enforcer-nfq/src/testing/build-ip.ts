import { writeUint16 } from '../packet/byte-order.js'
import { internetChecksum } from '../packet/checksum.js'
import { addressBytes } from './address-bytes.js'

/** An IP packet in words. Lengths and checksums are right unless stated here. */
export interface IpDescription {
  /** Text; source and destination are both IPv4 or both IPv6, which decides the packet's family. */
  readonly source: string
  readonly destination: string
  /** Default 64. */
  readonly ttl?: number
  /** IPv4 only. Default 1. */
  readonly identification?: number
  /** IPv4's flags and fragment offset as one 16-bit field. Default: don't fragment. */
  readonly fragmentField?: number
  /** IPv4 only: the option area, filled up with zeros to a multiple of 4. */
  readonly ipOptions?: Uint8Array
  /** IPv6 only, in order. */
  readonly extensionHeaders?: readonly ExtensionHeader[]
  /** Stated instead of the right total length (IPv4) or payload length (IPv6). */
  readonly ipLength?: number
  /** Stated instead of the right one. IPv4 only. */
  readonly ipChecksum?: number
}

/**
 * An IPv6 extension header: its kind and what follows its first two bytes, filled up with zeros to a multiple
 * of 8.
 */
export interface ExtensionHeader {
  readonly kind: number
  readonly body: Uint8Array
}

/** A packet with room for a transport segment of `segmentLength` bytes at `segmentStart`. */
export interface IpPacket {
  readonly bytes: Uint8Array
  readonly segmentStart: number
}

/** Builds the IP header in front of an empty segment. */
export function buildIp(description: IpDescription, protocol: number, segmentLength: number): IpPacket {
  const source = addressBytes(description.source)
  const destination = addressBytes(description.destination)
  if (source.length !== destination.length)
    throw new TypeError('source and destination: of two address families')
  const header =
    source.length === 4
      ? ipv4Header(description, protocol, segmentLength)
      : ipv6Headers(description, protocol, segmentLength)
  header.set(source, source.length === 4 ? 12 : 8)
  header.set(destination, source.length === 4 ? 16 : 24)
  if (source.length === 4) {
    writeUint16(header, 10, description.ipChecksum ?? internetChecksum(header, 0, header.length))
  }
  const bytes = new Uint8Array(header.length + segmentLength)
  bytes.set(header)
  return { bytes, segmentStart: header.length }
}

function ipv4Header(description: IpDescription, protocol: number, segmentLength: number): Uint8Array {
  const options = description.ipOptions ?? new Uint8Array(0)
  const header = new Uint8Array(20 + Math.ceil(options.length / 4) * 4)
  header.set(options, 20)
  header[0] = 0x40 | (header.length / 4)
  writeUint16(header, 2, description.ipLength ?? header.length + segmentLength)
  writeUint16(header, 4, description.identification ?? 1)
  writeUint16(header, 6, description.fragmentField ?? 0x4000)
  header[8] = description.ttl ?? 64
  header[9] = protocol
  return header
}

function ipv6Headers(description: IpDescription, protocol: number, segmentLength: number): Uint8Array {
  const extensions = description.extensionHeaders ?? []
  const kinds = [...extensions.map(extension => extension.kind), protocol]
  const bodies = extensions.map((extension, index) => extensionBytes(extension, kinds[index + 1]!))
  const extensionsLength = bodies.reduce((sum, body) => sum + body.length, 0)
  const header = new Uint8Array(40 + extensionsLength)
  header[0] = 0x60
  writeUint16(header, 4, description.ipLength ?? extensionsLength + segmentLength)
  header[6] = kinds[0]!
  header[7] = description.ttl ?? 64
  let at = 40
  for (const body of bodies) {
    header.set(body, at)
    at += body.length
  }
  return header
}

function extensionBytes({ body }: ExtensionHeader, next: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(1, Math.ceil((body.length + 2) / 8)) * 8)
  bytes[0] = next
  bytes[1] = bytes.length / 8 - 1
  bytes.set(body, 2)
  return bytes
}
