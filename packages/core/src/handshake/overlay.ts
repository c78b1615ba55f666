import type { DropReason } from '../flow.js'
import type { AuthMode } from '../plugin.js'

/**
 * The overlay: what enforcers add to the three packets of a TCP handshake. It is the whole payload of its segment.
 *
 * ```text
 * header    0  magic 'T' 'R'                     2 bytes
 *           2  version                           1
 *           3  message type: SYN 1, SYN-ACK 2, ACK 3
 *           4  suite: mode in the high nibble, encoding in the low one
 *           5  flags, all zero
 *           6  length of the whole overlay       2, big-endian
 *
 * SYN       8  nonce_c                          16
 *          24  dialled address, IPv4 as mapped  16
 *          40  dialled port                      2, big-endian
 *          42  record_c
 *
 * SYN-ACK   8  nonce_s                          16
 *          24  record_s
 *         -32  MAC_s                            32
 *
 * ACK       8  MAC_c                            32
 * ```
 */

export const OVERLAY_HEADER_BYTES = 8
export const NONCE_BYTES = 16
export const MAC_BYTES = 32
/** An IPv6 path of 1,280 bytes with a 60-byte TCP header leaves this much for an overlay. */
export const MAX_OVERLAY_BYTES = 1180
/** What is left for a record: a SYN-ACK carries more beside it than a SYN. */
export const MAX_RECORD_BYTES = MAX_OVERLAY_BYTES - OVERLAY_HEADER_BYTES - NONCE_BYTES - MAC_BYTES
export const ACK_OVERLAY_BYTES = OVERLAY_HEADER_BYTES + MAC_BYTES

const MAGIC_0 = 0x54
const MAGIC_1 = 0x52
const VERSION = 1
const TYPE_SYN = 1
const TYPE_SYN_ACK = 2
const TYPE_ACK = 3
const SUITE_AT = 4
const ADDRESS_AT = OVERLAY_HEADER_BYTES + NONCE_BYTES
const PORT_AT = ADDRESS_AT + 16
const SYN_RECORD_AT = PORT_AT + 2
const SYN_ACK_RECORD_AT = OVERLAY_HEADER_BYTES + NONCE_BYTES

const MODE_CODES: Readonly<Record<AuthMode, number>> = {
  psk: 1,
  pki: 2,
  'pki-prepopulated': 3,
  'compact-pki': 4,
  null: 15,
}
/** The code of the mode that authenticates nobody. */
export const NULL_MODE_CODE = MODE_CODES.null

/**
 * How a handshake authenticates and encodes: one byte in every header, and part of every key. The SYN's suite is the
 * handshake's: a server answers in it or not at all, and a client takes no other, so nothing is negotiated.
 */
export interface Suite {
  readonly modeCode: number
  readonly encodingCode: number
}

/** @throws RangeError where the encoding's code does not fit its nibble. */
export function suite(mode: AuthMode, encodingCode: number): Suite {
  if (!Number.isInteger(encodingCode) || encodingCode < 1 || encodingCode > 15) {
    throw new RangeError(`encodingCode ${encodingCode}: expected an integer from 1 to 15`)
  }
  return { modeCode: MODE_CODES[mode], encodingCode }
}

/** Views into the bytes they were parsed from. */
export interface SynOverlay {
  readonly nonce: Uint8Array
  /** 16 bytes, IPv4 as IPv4-mapped IPv6. */
  readonly dialledAddress: Uint8Array
  readonly dialledPort: number
  readonly record: Uint8Array
}

/** Views into the bytes they were parsed from. */
export interface SynAckOverlay {
  readonly nonce: Uint8Array
  readonly record: Uint8Array
  /** Everything before the MAC: what the transcript covers. */
  readonly signed: Uint8Array
  readonly mac: Uint8Array
}

/** Views into the bytes they were parsed from. */
export interface AckOverlay {
  readonly header: Uint8Array
  readonly mac: Uint8Array
}

export function encodeSyn(own: Suite, message: SynOverlay): Uint8Array {
  const overlay = startOverlay(own, TYPE_SYN, SYN_RECORD_AT + message.record.length)
  overlay.set(message.nonce, OVERLAY_HEADER_BYTES)
  overlay.set(message.dialledAddress, ADDRESS_AT)
  overlay[PORT_AT] = message.dialledPort >>> 8
  overlay[PORT_AT + 1] = message.dialledPort & 0xff
  overlay.set(message.record, SYN_RECORD_AT)
  return overlay
}

/** The SYN-ACK's overlay with room for its MAC, which covers the rest. */
export function encodeSynAck(own: Suite, nonce: Uint8Array, record: Uint8Array): Uint8Array {
  const overlay = startOverlay(own, TYPE_SYN_ACK, SYN_ACK_RECORD_AT + record.length + MAC_BYTES)
  overlay.set(nonce, OVERLAY_HEADER_BYTES)
  overlay.set(record, SYN_ACK_RECORD_AT)
  return overlay
}

/** The part of a SYN-ACK's overlay that the transcript covers. */
export function signedPart(synAck: Uint8Array): Uint8Array {
  return synAck.subarray(0, synAck.length - MAC_BYTES)
}

/** The ACK's header: the same for every connection of a suite. */
export function ackHeader(own: Suite): Uint8Array {
  return startOverlay(own, TYPE_ACK, ACK_OVERLAY_BYTES).subarray(0, OVERLAY_HEADER_BYTES)
}

export function encodeAck(header: Uint8Array, mac: Uint8Array): Uint8Array {
  const overlay = new Uint8Array(ACK_OVERLAY_BYTES)
  overlay.set(header)
  overlay.set(mac, OVERLAY_HEADER_BYTES)
  return overlay
}

/** Accepts exactly what `encodeSyn` makes for the own suite. */
export function parseSyn(own: Suite, bytes: Uint8Array): SynOverlay | DropReason {
  const fault = headerFault(own, TYPE_SYN, bytes)
  if (fault) return fault
  if (bytes.length <= SYN_RECORD_AT) return 'format'
  return {
    nonce: bytes.subarray(OVERLAY_HEADER_BYTES, ADDRESS_AT),
    dialledAddress: bytes.subarray(ADDRESS_AT, PORT_AT),
    dialledPort: (bytes[PORT_AT]! << 8) | bytes[PORT_AT + 1]!,
    record: bytes.subarray(SYN_RECORD_AT),
  }
}

/** Accepts exactly what `encodeSynAck` makes for the own suite. */
export function parseSynAck(own: Suite, bytes: Uint8Array): SynAckOverlay | DropReason {
  const fault = headerFault(own, TYPE_SYN_ACK, bytes)
  if (fault) return fault
  const end = bytes.length - MAC_BYTES
  if (end <= SYN_ACK_RECORD_AT) return 'format'
  return {
    nonce: bytes.subarray(OVERLAY_HEADER_BYTES, SYN_ACK_RECORD_AT),
    record: bytes.subarray(SYN_ACK_RECORD_AT, end),
    signed: bytes.subarray(0, end),
    mac: bytes.subarray(end),
  }
}

/** Accepts exactly what `encodeAck` makes for the own suite. */
export function parseAck(own: Suite, bytes: Uint8Array): AckOverlay | DropReason {
  const fault = headerFault(own, TYPE_ACK, bytes)
  if (fault) return fault
  if (bytes.length !== ACK_OVERLAY_BYTES) return 'format'
  return { header: bytes.subarray(0, OVERLAY_HEADER_BYTES), mac: bytes.subarray(OVERLAY_HEADER_BYTES) }
}

/** The suite that an overlay claims; undefined where it is too short to claim one. */
export function suiteByteOf(overlay: Uint8Array): number | undefined {
  return overlay[SUITE_AT]
}

function startOverlay(own: Suite, type: number, length: number): Uint8Array {
  const overlay = new Uint8Array(length)
  overlay[0] = MAGIC_0
  overlay[1] = MAGIC_1
  overlay[2] = VERSION
  overlay[3] = type
  overlay[SUITE_AT] = suiteByte(own)
  overlay[6] = length >>> 8
  overlay[7] = length & 0xff
  return overlay
}

/** The cheap refusals come first: length, magic, version, then what was configured. */
function headerFault(own: Suite, type: number, bytes: Uint8Array): DropReason | undefined {
  if (bytes.length < OVERLAY_HEADER_BYTES || bytes.length > MAX_OVERLAY_BYTES) return 'format'
  if (bytes[0] !== MAGIC_0 || bytes[1] !== MAGIC_1) return 'format'
  if (bytes[2] !== VERSION) return 'version'
  if (((bytes[6]! << 8) | bytes[7]!) !== bytes.length) return 'format'
  if (bytes[3] !== type || bytes[5] !== 0) return 'format'
  if (bytes[SUITE_AT]! >>> 4 !== own.modeCode) return 'mode'
  if ((bytes[SUITE_AT]! & 0x0f) !== own.encodingCode) return 'encoding'
  return undefined
}

/** The header's byte for a suite. */
export function suiteByte(own: Suite): number {
  return (own.modeCode << 4) | own.encodingCode
}
