import { readUint16, readUint32, writeUint16 } from './byte-order.js'
import { type IpLayout, readIpLayout } from './ip-header.js'
import type { PacketFault } from './packet-fault.js'
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from './tcp-flags.js'
import {
  isFastOpen,
  isOverlay,
  type OptionList,
  OVERLAY_OPTION_LENGTH,
  TCP_MIN_HEADER,
  TCPOPT_EOL,
  TCPOPT_NOP,
} from './tcp-options.js'

/** Source address and port, destination address and port. */
export const FLOW_KEY_LENGTH = 36

const DESTINATION = 18
const NO_DATA = new Uint8Array(0)

/**
 * One TCP packet, read in place. `parse` is total: whatever the bytes are, it returns a fault or fills the
 * fields, throws nothing and reads nothing outside the range it was given. An instance parses packet after
 * packet without allocating; its fields hold until the next `parse` and mean nothing after a fault. Offsets
 * count from the beginning of `data`.
 */
export class TcpPacket implements IpLayout, OptionList {
  data: Uint8Array = NO_DATA
  family: 4 | 6 = 4
  ipOffset = 0
  tcpOffset = 0
  optionsOffset = 0
  optionsEnd = 0
  payloadOffset = 0
  packetEnd = 0

  sourcePort = 0
  destinationPort = 0
  /** Unsigned, like `acknowledgement`. */
  sequence = 0
  acknowledgement = 0
  flags = 0
  window = 0

  /** Whether the option list holds ours: kind 254, length 4, `OVERLAY_EXID`. */
  hasOverlayOption = false
  /** Where our option begins; 0 without one. */
  overlayOptionOffset = 0
  /** Whether a TCP Fast Open option is there, under its kind or its old experimental identifier. */
  hasFastOpenOption = false

  readonly #key = Buffer.from(new ArrayBuffer(FLOW_KEY_LENGTH))
  readonly #reverseKey = Buffer.from(new ArrayBuffer(FLOW_KEY_LENGTH))
  /** The 36 bytes of `flowKey` as words, for a `TupleIndex`; overwritten by the next `parse`. */
  readonly tuple = new Uint32Array(this.#key.buffer)
  readonly #reverseTuple = new Uint32Array(this.#reverseKey.buffer)
  /** 16 bytes, IPv4 in its mapped form; overwritten by the next `parse`, like `destination`. */
  readonly source = new Uint8Array(this.#key.buffer, this.#key.byteOffset, 16)
  readonly destination = new Uint8Array(this.#key.buffer, this.#key.byteOffset + DESTINATION, 16)

  /**
   * Reads the packet that begins at `data[offset]` within `length` bytes. What lies behind the packet's own
   * end is ignored.
   */
  parse(data: Uint8Array, offset: number, length: number): PacketFault | undefined {
    if (!(offset >= 0 && length >= 0 && offset + length <= data.length)) return 'truncated'
    this.data = data
    this.ipOffset = offset
    return readIpLayout(this, offset + length) ?? this.#readTcp() ?? this.#readOptions()
  }

  /** RFC 9293 §3.1. */
  #readTcp(): PacketFault | undefined {
    const { data, tcpOffset } = this
    if (tcpOffset + TCP_MIN_HEADER > this.packetEnd) return 'malformed'
    this.optionsOffset = tcpOffset + TCP_MIN_HEADER
    this.payloadOffset = tcpOffset + (data[tcpOffset + 12]! >>> 4) * 4
    if (this.payloadOffset < this.optionsOffset || this.payloadOffset > this.packetEnd) return 'malformed'
    this.sourcePort = readUint16(data, tcpOffset)
    this.destinationPort = readUint16(data, tcpOffset + 2)
    this.sequence = readUint32(data, tcpOffset + 4)
    this.acknowledgement = readUint32(data, tcpOffset + 8)
    this.flags = data[tcpOffset + 13]!
    this.window = readUint16(data, tcpOffset + 14)
    this.#readKey()
    return undefined
  }

  #readKey(): void {
    const key = this.#key
    const { data, ipOffset } = this
    if (this.family === 4) {
      for (let index = 0; index < 10; index += 1) key[index] = key[DESTINATION + index] = 0
      for (let index = 10; index < 12; index += 1) key[index] = key[DESTINATION + index] = 0xff
      for (let index = 12; index < 16; index += 1) {
        key[index] = data[ipOffset + index]!
        key[DESTINATION + index] = data[ipOffset + 4 + index]!
      }
    } else {
      for (let index = 0; index < 16; index += 1) {
        key[index] = data[ipOffset + 8 + index]!
        key[DESTINATION + index] = data[ipOffset + 24 + index]!
      }
    }
    writeUint16(key, 16, this.sourcePort)
    writeUint16(key, 34, this.destinationPort)
  }

  #readOptions(): PacketFault | undefined {
    const { data, payloadOffset } = this
    this.hasOverlayOption = false
    this.overlayOptionOffset = 0
    this.hasFastOpenOption = false
    let at = this.optionsOffset
    while (at < payloadOffset && data[at] !== TCPOPT_EOL) {
      if (data[at] === TCPOPT_NOP) {
        at += 1
        continue
      }
      const size = at + 1 < payloadOffset ? data[at + 1]! : 0
      if (size < 2 || at + size > payloadOffset) return 'malformed'
      if (isOverlay(data, at, size)) {
        if (this.hasOverlayOption || size !== OVERLAY_OPTION_LENGTH) return 'overlay-option'
        this.hasOverlayOption = true
        this.overlayOptionOffset = at
      } else if (isFastOpen(data, at, size)) this.hasFastOpenOption = true
      at += size
    }
    this.optionsEnd = at
    return undefined
  }

  /** The packet's bytes, without what lay behind it. */
  get packetLength(): number {
    return this.packetEnd - this.ipOffset
  }

  get tcpHeaderLength(): number {
    return this.payloadOffset - this.tcpOffset
  }

  get payloadLength(): number {
    return this.packetEnd - this.payloadOffset
  }

  /** The SYN bit, whatever else is set: what a rule of the kernel calls a SYN. */
  get hasSyn(): boolean {
    return (this.flags & TCP_SYN) !== 0
  }

  get hasAck(): boolean {
    return (this.flags & TCP_ACK) !== 0
  }

  get hasFin(): boolean {
    return (this.flags & TCP_FIN) !== 0
  }

  /** Opens a connection: SYN without ACK, RST or FIN. */
  get isSyn(): boolean {
    return (this.flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) === TCP_SYN
  }

  /** Answers a SYN: SYN and ACK without RST or FIN. */
  get isSynAck(): boolean {
    return (this.flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) === (TCP_SYN | TCP_ACK)
  }

  /** RST without SYN, with or without ACK. */
  get isRst(): boolean {
    return (this.flags & (TCP_RST | TCP_SYN)) === TCP_RST
  }

  /** ACK without SYN, RST or FIN, and without payload. */
  get isBareAck(): boolean {
    return (this.flags & (TCP_ACK | TCP_SYN | TCP_RST | TCP_FIN)) === TCP_ACK && this.payloadLength === 0
  }

  /** A view of the payload, good as long as `data` is. */
  payload(): Uint8Array {
    return this.data.subarray(this.payloadOffset, this.packetEnd)
  }

  /** A copy of the packet alone, for what must outlive the buffer it came in. */
  copy(): Uint8Array {
    return this.data.slice(this.ipOffset, this.packetEnd)
  }

  /**
   * Source address and port, destination address and port as a string of 36 characters below 256: a key for a
   * Map.
   */
  flowKey(): string {
    return this.#key.toString('latin1')
  }

  /** The `flowKey` of the packets that travel the other way. */
  reverseFlowKey(): string {
    this.writeReverseFlowKey(this.#reverseKey, 0)
    return this.#reverseKey.toString('latin1')
  }

  /** The `tuple` of the packets that travel the other way: good until the next call or `parse`. */
  get reverseTuple(): Uint32Array {
    this.writeReverseFlowKey(this.#reverseKey, 0)
    return this.#reverseTuple
  }

  /** Writes the 36 bytes of `flowKey` at `out[at]`. */
  writeFlowKey(out: Uint8Array, at: number): void {
    for (let index = 0; index < FLOW_KEY_LENGTH; index += 1) out[at + index] = this.#key[index]!
  }

  /** Writes the 36 bytes of `reverseFlowKey` at `out[at]`. */
  writeReverseFlowKey(out: Uint8Array, at: number): void {
    for (let index = 0; index < DESTINATION; index += 1) {
      out[at + index] = this.#key[DESTINATION + index]!
      out[at + DESTINATION + index] = this.#key[index]!
    }
  }
}
