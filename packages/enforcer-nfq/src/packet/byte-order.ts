/** The 16-bit number in network byte order at `at`, which must lie within the array. */
export function readUint16(data: Uint8Array, at: number): number {
  return (data[at]! << 8) | data[at + 1]!
}

/** The unsigned 32-bit number in network byte order at `at`, which must lie within the array. */
export function readUint32(data: Uint8Array, at: number): number {
  return ((data[at]! << 24) | (data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!) >>> 0
}

/** Writes the low 16 bits of `value` in network byte order. */
export function writeUint16(data: Uint8Array, at: number, value: number): void {
  data[at] = value >>> 8
  data[at + 1] = value
}

/** Writes the low 32 bits of `value` in network byte order. */
export function writeUint32(data: Uint8Array, at: number, value: number): void {
  data[at] = value >>> 24
  data[at + 1] = value >>> 16
  data[at + 2] = value >>> 8
  data[at + 3] = value
}
