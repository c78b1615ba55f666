import { copyHeaders, type EditFault, sealPacket } from './seal.js'
import { TCP_FIN } from './tcp-flags.js'
import {
  DROP_FASTOPEN,
  DROP_NOTHING,
  DROP_OVERLAY,
  MAX_OPTIONS_LENGTH,
  OVERLAY_OPTION_LENGTH,
  TCP_MIN_HEADER,
  writeOptions,
  writeOptionsWithOverlay,
} from './tcp-options.js'
import type { TcpPacket } from './tcp-packet.js'

/**
 * Writes the packet with our option and with `overlay` for all of its payload to `out`, and returns the new
 * length. Fast Open is taken out of a SYN and a SYN-ACK. Where a payload gives way, a FIN goes with it: it
 * stands behind bytes that the sender's kernel has to resend. `out` must not overlap the packet.
 */
export function attachOverlay(packet: TcpPacket, overlay: Uint8Array, out: Uint8Array): number | EditFault {
  if (packet.hasOverlayOption) return 'overlay-option'
  if (!hasRoom(packet, overlay.length, out)) return 'too-long'
  const tcpStart = copyHeaders(packet, out)
  const optionsStart = tcpStart + TCP_MIN_HEADER
  const optionsLength = writeOptionsWithOverlay(packet, fastOpenOfSyn(packet), out, optionsStart)
  if (optionsLength === undefined) return 'options'
  out.set(overlay, optionsStart + optionsLength)
  const flags = flagsWithoutPayload(packet)
  return sealPacket(out, tcpStart, { optionsLength, payloadLength: overlay.length, flags })
}

/**
 * Writes the packet without payload and without our option to `out`, and returns the new length; a SYN or
 * SYN-ACK loses Fast Open too. Undoes `attachOverlay` byte by byte where that had nothing to remove. Serves
 * as well for a SYN or SYN-ACK that came without our option: neither may carry payload. A FIN beside an
 * overlay stays, its number being the overlay's; behind application data it goes with them.
 */
export function stripOverlay(packet: TcpPacket, out: Uint8Array): number | EditFault {
  const flags = packet.hasOverlayOption ? packet.flags : flagsWithoutPayload(packet)
  return writeWithoutPayload(packet, DROP_OVERLAY | fastOpenOfSyn(packet), flags, out)
}

/**
 * Writes the packet without payload to `out`, for a kernel to send it again, and returns the new length. Our
 * option stays if it is there; Fast Open goes from a SYN and a SYN-ACK, and a FIN goes with the payload
 * before it.
 */
export function stripPayload(packet: TcpPacket, out: Uint8Array): number | EditFault {
  return writeWithoutPayload(packet, fastOpenOfSyn(packet), flagsWithoutPayload(packet), out)
}

/**
 * Whether the packet may be passed as it is: without our option and, with the SYN bit, without payload and
 * Fast Open.
 */
export function isPlain(packet: TcpPacket): boolean {
  if (packet.hasOverlayOption) return false
  return !packet.hasSyn || (packet.payloadLength === 0 && !packet.hasFastOpenOption)
}

function writeWithoutPayload(
  packet: TcpPacket,
  drop: number,
  flags: number,
  out: Uint8Array,
): number | EditFault {
  if (!hasRoom(packet, 0, out)) return 'too-long'
  const tcpStart = copyHeaders(packet, out)
  const optionsLength = writeOptions(packet, drop, out, tcpStart + TCP_MIN_HEADER)
  return sealPacket(out, tcpStart, { optionsLength, payloadLength: 0, flags })
}

/** Room for the most that may be written: a full option area, with the overrun that shows that it is full. */
function hasRoom(packet: TcpPacket, payloadLength: number, out: Uint8Array): boolean {
  const headers = packet.optionsOffset - packet.ipOffset + MAX_OPTIONS_LENGTH + 2 * OVERLAY_OPTION_LENGTH
  return headers + payloadLength <= out.length
}

function fastOpenOfSyn(packet: TcpPacket): number {
  return packet.hasSyn ? DROP_FASTOPEN : DROP_NOTHING
}

function flagsWithoutPayload(packet: TcpPacket): number {
  return packet.payloadLength > 0 ? packet.flags & ~TCP_FIN : packet.flags
}
