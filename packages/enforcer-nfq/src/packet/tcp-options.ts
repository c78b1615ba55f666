import { readUint16, writeUint16 } from './byte-order.js'

export const TCPOPT_EOL = 0
export const TCPOPT_NOP = 1
export const TCPOPT_MSS = 2
export const TCPOPT_WINDOW = 3
export const TCPOPT_SACK_PERM = 4
export const TCPOPT_SACK = 5
export const TCPOPT_TIMESTAMP = 8
export const TCPOPT_MPTCP = 30
export const TCPOPT_FASTOPEN = 34
/** A shared experimental kind, told apart by the identifier that follows the length (RFC 6994 §3). */
export const TCPOPT_EXP = 254

/** Our experiment identifier: "Tr". */
export const OVERLAY_EXID = 0x5472
/** Kind, length and identifier: the option says that the payload is an overlay, and nothing else. */
export const OVERLAY_OPTION_LENGTH = 4
/**
 * The identifier under which TCP Fast Open travelled before it had a kind, and which Linux still understands
 * (RFC 7413 §4.1.1).
 */
export const FASTOPEN_EXID = 0xf989

export const TCP_MIN_HEADER = 20
/** The data offset counts to 15 words, of which 5 are the fixed header (RFC 9293 §3.1). */
export const MAX_OPTIONS_LENGTH = 40

/** What may be left out of an option list; bits of a set. */
export const DROP_NOTHING = 0
export const DROP_PADDING = 1
export const DROP_FASTOPEN = 2
export const DROP_MPTCP = 4
export const DROP_OVERLAY = 8

/** Where a well-formed option list lies in `data`: what `TcpPacket` found. */
export interface OptionList {
  readonly data: Uint8Array
  readonly optionsOffset: number
  /** The end-of-list option, or `payloadOffset` where there is none. */
  readonly optionsEnd: number
  readonly payloadOffset: number
}

/**
 * Whether the option at `at` is TCP Fast Open's, under its kind or its old identifier. `size` bytes of it
 * exist.
 */
export function isFastOpen(data: Uint8Array, at: number, size: number): boolean {
  if (data[at] === TCPOPT_FASTOPEN) return true
  return data[at] === TCPOPT_EXP && size >= 4 && readUint16(data, at + 2) === FASTOPEN_EXID
}

/** Whether the option at `at` bears our identifier. `size` bytes of it exist. */
export function isOverlay(data: Uint8Array, at: number, size: number): boolean {
  return data[at] === TCPOPT_EXP && size >= 4 && readUint16(data, at + 2) === OVERLAY_EXID
}

/** What is given up, one after the other, for four bytes of room. */
const SACRIFICES = [
  DROP_NOTHING,
  DROP_PADDING,
  DROP_PADDING | DROP_FASTOPEN,
  DROP_PADDING | DROP_FASTOPEN | DROP_MPTCP,
] as const

/**
 * Writes the list with our option behind the others and returns the length of the option area, a multiple of
 * 4. Where 40 bytes are too few, padding, then Fast Open, then MPTCP make room; `undefined` if even so there
 * is none. May use 48 bytes of `out` on the way.
 */
export function writeOptionsWithOverlay(
  list: OptionList,
  drop: number,
  out: Uint8Array,
  at: number,
): number | undefined {
  for (const sacrifice of SACRIFICES) {
    const end = copyOptions(list, drop | sacrifice, out, at)
    out[end] = TCPOPT_EXP
    out[end + 1] = OVERLAY_OPTION_LENGTH
    writeUint16(out, end + 2, OVERLAY_EXID)
    const length = closeOptions(list, drop | sacrifice, out, { start: at, end: end + OVERLAY_OPTION_LENGTH })
    if (length <= MAX_OPTIONS_LENGTH) return length
  }
  return undefined
}

/** Writes the list without what `drop` names and returns the length of the option area, a multiple of 4. */
export function writeOptions(list: OptionList, drop: number, out: Uint8Array, at: number): number {
  return closeOptions(list, drop, out, { start: at, end: copyOptions(list, drop, out, at) })
}

/** Copies the options that stay, in order, and returns where they end. */
function copyOptions(list: OptionList, drop: number, out: Uint8Array, at: number): number {
  const { data, optionsEnd } = list
  let to = at
  let from = list.optionsOffset
  while (from < optionsEnd) {
    const next = from + (data[from] === TCPOPT_NOP ? 1 : data[from + 1]!)
    if (drop !== DROP_NOTHING && isDropped(data, from, drop)) from = next
    while (from < next) out[to++] = data[from++]!
  }
  return to
}

function isDropped(data: Uint8Array, at: number, drop: number): boolean {
  const kind = data[at]
  if (kind === TCPOPT_NOP) return (drop & DROP_PADDING) !== 0
  if (kind === TCPOPT_MPTCP) return (drop & DROP_MPTCP) !== 0
  const size = data[at + 1]!
  if (isFastOpen(data, at, size)) return (drop & DROP_FASTOPEN) !== 0
  return (drop & DROP_OVERLAY) !== 0 && isOverlay(data, at, size)
}

/**
 * Aligns the options written to [start, end) by NOPs, appends the end of the list unless dropped, and returns
 * the area's length.
 */
function closeOptions(list: OptionList, drop: number, out: Uint8Array, written: Range): number {
  const { data, optionsEnd, payloadOffset } = list
  const tail = (drop & DROP_PADDING) === 0 ? payloadOffset - optionsEnd : 0
  const length = (written.end - written.start + tail + 3) & ~3
  const tailStart = written.start + length - tail
  for (let to = written.end; to < tailStart; to += 1) out[to] = TCPOPT_NOP
  for (let index = 0; index < tail; index += 1) out[tailStart + index] = data[optionsEnd + index]!
  return length
}

interface Range {
  readonly start: number
  readonly end: number
}
