import { writeUint16, writeUint32 } from './byte-order.js'
import { IPPROTO_TCP, IPV4_MIN_HEADER, IPV6_HEADER } from './ip-header.js'
import { copyHeaders, type EditFault, sealPacket } from './seal.js'
import { TCP_ACK, TCP_RST } from './tcp-flags.js'
import { TCP_MIN_HEADER } from './tcp-options.js'
import type { TcpPacket } from './tcp-packet.js'

const DEFAULT_TTL = 64
const IPV4_DONT_FRAGMENT = 0x4000

/**
 * Turns a SYN-ACK on its way to the PU into the RST+ACK by which the PU's socket, in SYN-SENT, learns at once
 * that it was refused: same acknowledgement, no options, no payload (RFC 9293 §3.10.7.3). Returns the new
 * length.
 */
export function rewriteSynAckToReset(packet: TcpPacket, out: Uint8Array): number | EditFault {
  return rewriteToReset(packet, out)
}

/**
 * Turns a SYN-ACK on its way to a client into a RST for the socket that has taken this very SYN-ACK before: at the number which that
 * socket expects, and without an acknowledgement, so that one in SYN-SENT does not heed it (RFC 9293 §3.10.7.3 and §3.10.7.4).
 * Returns the new length.
 */
export function rewriteSynAckToLateReset(packet: TcpPacket, out: Uint8Array): number | EditFault {
  if (packet.optionsOffset - packet.ipOffset > out.length) return 'too-long'
  const tcpStart = copyHeaders(packet, out)
  return finishReset(out, tcpStart, { sequence: packet.sequence + 1, acknowledgement: undefined })
}

/**
 * Turns the packet into a RST on its own way, at its own sequence number, with its acknowledgement if it has
 * one, without options and payload. The IP header stays but for length and checksum. Returns the new length.
 */
export function rewriteToReset(packet: TcpPacket, out: Uint8Array): number | EditFault {
  if (packet.optionsOffset - packet.ipOffset > out.length) return 'too-long'
  const tcpStart = copyHeaders(packet, out)
  const { sequence, acknowledgement, hasAck } = packet
  return finishReset(out, tcpStart, { sequence, acknowledgement: hasAck ? acknowledgement : undefined })
}

/**
 * Writes the RST that answers the packet, computed from it alone, and returns its length (RFC 9293 §3.5.2
 * group 1). It travels the other way under a fresh IP header. An overlay is never counted as payload, nor is
 * a payload that the answering end has not seen: `countPayload` false.
 */
export function writeReset(packet: TcpPacket, out: Uint8Array, countPayload: boolean): number | EditFault {
  if ((packet.flags & TCP_RST) !== 0) return 'reset'
  const tcpStart = packet.family === 4 ? IPV4_MIN_HEADER : IPV6_HEADER
  if (tcpStart + TCP_MIN_HEADER > out.length) return 'too-long'
  if (packet.family === 4) writeReverseIpv4(packet, out)
  else writeReverseIpv6(packet, out)
  writeUint16(out, tcpStart, packet.destinationPort)
  writeUint16(out, tcpStart + 2, packet.sourcePort)
  if (packet.hasAck)
    return finishReset(out, tcpStart, { sequence: packet.acknowledgement, acknowledgement: undefined })
  const counted = countPayload && !packet.hasOverlayOption ? packet.payloadLength : 0
  const acknowledgement = packet.sequence + counted + Number(packet.hasSyn) + Number(packet.hasFin)
  return finishReset(out, tcpStart, { sequence: 0, acknowledgement })
}

interface ResetNumbers {
  readonly sequence: number
  /** Absent: no ACK bit, and 0 in the field. */
  readonly acknowledgement: number | undefined
}

function finishReset(out: Uint8Array, tcpStart: number, numbers: ResetNumbers): number | EditFault {
  const { sequence, acknowledgement } = numbers
  writeUint32(out, tcpStart + 4, sequence)
  writeUint32(out, tcpStart + 8, acknowledgement ?? 0)
  for (let at = tcpStart + 12; at < tcpStart + TCP_MIN_HEADER; at += 1) out[at] = 0
  const flags = acknowledgement === undefined ? TCP_RST : TCP_RST | TCP_ACK
  return sealPacket(out, tcpStart, { optionsLength: 0, payloadLength: 0, flags })
}

/** RFC 791 §3.1, source and destination exchanged. */
function writeReverseIpv4({ data, ipOffset }: TcpPacket, out: Uint8Array): void {
  out.fill(0, 0, IPV4_MIN_HEADER)
  out[0] = 0x45
  writeUint16(out, 6, IPV4_DONT_FRAGMENT)
  out[8] = DEFAULT_TTL
  out[9] = IPPROTO_TCP
  for (let index = 0; index < 4; index += 1) {
    out[12 + index] = data[ipOffset + 16 + index]!
    out[16 + index] = data[ipOffset + 12 + index]!
  }
}

/** RFC 8200 §3, source and destination exchanged. */
function writeReverseIpv6({ data, ipOffset }: TcpPacket, out: Uint8Array): void {
  out.fill(0, 0, IPV6_HEADER)
  out[0] = 0x60
  out[6] = IPPROTO_TCP
  out[7] = DEFAULT_TTL
  for (let index = 0; index < 16; index += 1) {
    out[8 + index] = data[ipOffset + 24 + index]!
    out[24 + index] = data[ipOffset + 8 + index]!
  }
}
