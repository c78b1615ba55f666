import { align4, NFGEN_HDRLEN, NLA_HDRLEN } from './message.js'

/** Writes netlink messages back to back into memory of a fixed size; who writes asks `room` first. */
export class MessageWriter {
  readonly bytes: Uint8Array
  /** Bytes written so far, always a multiple of 4: what to send. */
  length = 0
  readonly #view: DataView
  #start = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get room(): number {
    return this.bytes.length - this.length
  }

  /** Begins a message of an nfnetlink subsystem: version 0, `resID` as nfgenmsg's res_id. */
  begin(type: number, flags: number, seq: number, resID: number, family = 0): void {
    const view = this.#view
    const at = this.length
    view.setUint32(at, 0, true)
    view.setUint16(at + 4, type, true)
    view.setUint16(at + 6, flags, true)
    view.setUint32(at + 8, seq, true)
    view.setUint32(at + 12, 0, true)
    view.setUint8(at + 16, family)
    view.setUint8(at + 17, 0)
    view.setUint16(at + 18, resID, false)
    this.#start = at
    this.length = at + NFGEN_HDRLEN
  }

  /** An attribute with the big-endian value `value`. */
  uint32(type: number, value: number): void {
    this.#view.setUint32(this.#attribute(type, 4), value, false)
  }

  /** An attribute of two big-endian values, a C struct such as `nfqnl_msg_verdict_hdr`. */
  uint32Pair(type: number, first: number, second: number): void {
    const at = this.#attribute(type, 8)
    this.#view.setUint32(at, first, false)
    this.#view.setUint32(at + 4, second, false)
  }

  /** An attribute of the first `length` bytes of `value`. */
  binary(type: number, value: Uint8Array, length: number): void {
    const at = this.#attribute(type, length)
    this.bytes.set(length === value.length ? value : value.subarray(0, length), at)
  }

  /** Ends the message: its length is known now. */
  end(): void {
    this.#view.setUint32(this.#start, this.length - this.#start, true)
  }

  reset(): void {
    this.length = 0
  }

  #attribute(type: number, length: number): number {
    const at = this.length
    const end = at + NLA_HDRLEN + length
    this.#view.setUint16(at, NLA_HDRLEN + length, true)
    this.#view.setUint16(at + 2, type, true)
    this.length = align4(end)
    if (this.length !== end) this.bytes.fill(0, end, this.length)
    return at + NLA_HDRLEN
  }
}
