/** Writes a record from front to back. Lengths must have been checked: at most 32,767. */
export class RecordWriter {
  readonly #parts: Uint8Array[] = []

  /** Kept until `finish`, not copied. */
  bytes(bytes: Uint8Array): void {
    this.#parts.push(bytes)
  }

  uint8(value: number): void {
    this.#parts.push(Uint8Array.of(value))
  }

  uint32(value: number): void {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(value)
    this.#parts.push(bytes)
  }

  /** A length or a count, in the fewest bytes that hold it. */
  length(value: number): void {
    this.#parts.push(value < 0x80 ? Uint8Array.of(value) : Uint8Array.of(0x80 | (value >> 8), value & 0xff))
  }

  block(bytes: Uint8Array): void {
    this.length(bytes.length)
    this.bytes(bytes)
  }

  text(text: string): void {
    this.block(Buffer.from(text))
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#parts)
  }
}
