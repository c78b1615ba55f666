import { randomBytes } from 'node:crypto'

/** Words of a tuple: source address and port, destination address and port, as `TcpPacket.tuple` has them. */
export const TUPLE_WORDS = 9

/** HalfSipHash-1-3 over a tuple under a key of its own: whoever chooses the tuples cannot choose where they fall. */
export class TupleHash {
  readonly #key0: number
  readonly #key1: number

  constructor(key: Buffer = randomBytes(8)) {
    this.#key0 = key.readInt32LE(0)
    this.#key1 = key.readInt32LE(4)
  }

  /** 32 bits, unsigned. */
  of(tuple: Uint32Array): number {
    let v0 = this.#key0
    let v1 = this.#key1
    let v2 = 0x6c796765 ^ this.#key0
    let v3 = 0x74656462 ^ this.#key1
    // The last word holds the length, as in the reference; then three rounds finish.
    for (let index = 0; index <= TUPLE_WORDS + 3; index++) {
      const word = index < TUPLE_WORDS ? tuple[index]! | 0 : index === TUPLE_WORDS ? 36 << 24 : 0
      if (index === TUPLE_WORDS + 1) v2 ^= 0xff
      v3 ^= word
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
      v0 ^= word
    }
    return (v1 ^ v3) >>> 0
  }
}

/** The words of a flow key: see `TcpPacket.flowKey`. Overwritten by the next call. */
export function tupleOf(flowKey: string): Uint32Array {
  for (let index = 0; index < bytes.length; index++) bytes[index] = flowKey.charCodeAt(index)
  return words
}

const words = new Uint32Array(TUPLE_WORDS)
const bytes = new Uint8Array(words.buffer)
