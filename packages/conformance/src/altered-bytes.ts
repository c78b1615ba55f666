import { createHash } from 'node:crypto'

/** Bytes, and in words what was done to get them. */
export interface AlteredBytes {
  readonly what: string
  readonly bytes: Uint8Array
}

/** The bytes with each of their bits turned over, one at a time. */
export function* withFlippedBits(bytes: Uint8Array): Generator<AlteredBytes> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Uint8Array.from(bytes)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    yield { what: `bit ${bit & 7} of byte ${bit >> 3} flipped`, bytes: flipped }
  }
}

/** The bytes cut short by one byte and more, at their end and at their beginning. */
export function* truncated(bytes: Uint8Array): Generator<AlteredBytes> {
  for (let length = 0; length < bytes.length; length++) {
    yield { what: `cut to the first ${length} bytes`, bytes: bytes.slice(0, length) }
    yield { what: `cut to the last ${length} bytes`, bytes: bytes.slice(bytes.length - length) }
  }
}

/** The bytes with others behind or before them. */
export function* extended(bytes: Uint8Array): Generator<AlteredBytes> {
  const extras = [
    [0],
    [0xff],
    [0x20],
    [0x0a],
    [0x3d],
    [0x2e],
    [0, 0],
    new Array<number>(32).fill(0),
    [...bytes],
  ]
  for (const extra of extras) {
    const shown = `${extra.length} bytes that begin with ${extra[0]}`
    yield { what: `followed by ${shown}`, bytes: Uint8Array.of(...bytes, ...extra) }
    yield { what: `preceded by ${shown}`, bytes: Uint8Array.of(...extra, ...bytes) }
  }
}

/** The same bytes at every run: nothing but noise, then the given bytes with a stretch of noise in place of another. */
export function* arbitrary(bytes: Uint8Array, count: number): Generator<AlteredBytes> {
  for (let index = 0; index < count; index++) {
    const noise = noiseOf(index)
    const length = noise.readUInt16BE(0) % 64
    const material = Buffer.concat([noise.subarray(4), noiseOf(`${index} more`)]).subarray(0, length)
    if (index % 2 === 0) {
      yield { what: `noise ${index}`, bytes: material }
      continue
    }
    const at = noise.readUInt16BE(2) % (bytes.length + 1)
    const cut = noise[4]! % 9
    const changed = Buffer.concat([bytes.subarray(0, at), material, bytes.subarray(at + cut)])
    if (changed.compare(bytes) !== 0) yield { what: `with noise ${index} at ${at}`, bytes: changed }
  }
}

function noiseOf(seed: number | string): Buffer {
  return createHash('sha512').update(String(seed)).digest()
}
