import { isUtf8 } from 'node:buffer'

/** The largest length or count that a record can name. */
export const MAX_LENGTH = 0x7fff

const NO_BYTES = Buffer.alloc(0)

/**
 * Reads a record from front to back and never past its end. Once something does not fit, `isIntact` is false for good and
 * every read answers zero or nothing, so that one question at the end is enough.
 */
export class RecordReader {
  readonly #source: Buffer
  #offset = 0
  #isIntact = true

  constructor(source: Uint8Array) {
    this.#source = Buffer.from(source.buffer, source.byteOffset, source.byteLength)
  }

  get isIntact(): boolean {
    return this.#isIntact
  }

  /** Says that what was read makes no sense. */
  spoil(): void {
    this.#isIntact = false
  }

  /** A view, not a copy. */
  bytes(length: number): Buffer {
    const end = this.#offset + length
    if (end > this.#source.length) this.spoil()
    if (!this.#isIntact) return NO_BYTES
    const bytes = this.#source.subarray(this.#offset, end)
    this.#offset = end
    return bytes
  }

  uint8(): number {
    return this.bytes(1)[0] ?? 0
  }

  uint32(): number {
    const bytes = this.bytes(4)
    return bytes.length === 4 ? bytes.readUInt32BE() : 0
  }

  /** A length or a count, in the fewest bytes that hold it. */
  length(): number {
    const first = this.uint8()
    if (first < 0x80) return first
    const length = ((first & 0x7f) << 8) | this.uint8()
    if (length < 0x80) this.spoil()
    return this.#isIntact ? length : 0
  }

  /** Bytes behind their length. A view. */
  block(): Buffer {
    return this.bytes(this.length())
  }

  /** A text behind its length, as its bytes of well-formed UTF-8. A view. */
  utf8(): Buffer {
    const bytes = this.block()
    if (!isUtf8(bytes)) this.spoil()
    return bytes
  }

  text(): string {
    return this.utf8().toString()
  }

  /** All that was read. A view. */
  before(): Buffer {
    return this.#source.subarray(0, this.#offset)
  }

  /** All that was not read. A view. */
  rest(): Buffer {
    return this.#source.subarray(this.#offset)
  }
}
