/** Numbers from 0 to `below - 1`. */
export type Draw = (below: number) => number

/** A generator that says the same again under the same seed (xorshift32, Marsaglia 2003). */
export function drawFrom(seed: number): Draw {
  let state = seed >>> 0 || 1
  return below => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Values at the edges of lengths, kinds and versions. */
const EDGES = [0, 1, 2, 3, 4, 5, 8, 15, 16, 20, 40, 60, 127, 128, 254, 255]

/** A copy of the bytes with one to eight changes: bits, edges, runs moved, cut off or added. Sometimes none. */
export function mutate(bytes: Uint8Array, draw: Draw): Uint8Array {
  let mutant: Uint8Array = bytes.slice()
  for (let changes = draw(9); changes > 0; changes -= 1) mutant = changed(mutant, draw)
  return mutant
}

function changed(bytes: Uint8Array, draw: Draw): Uint8Array {
  if (bytes.length === 0) return Uint8Array.of(draw(256))
  const at = draw(bytes.length)
  switch (draw(7)) {
    case 0:
      return bytes.slice(0, at)
    case 1:
      return Buffer.concat([bytes, new Uint8Array(1 + draw(48)).fill(draw(256))])
    case 2:
      bytes.copyWithin(at, draw(bytes.length), bytes.length)
      return bytes
    case 3:
      bytes[at] = EDGES[draw(EDGES.length)]!
      return bytes
    case 4:
      // Headers lie in front, and their fields decide most.
      bytes[draw(Math.min(bytes.length, 64))] = draw(256)
      return bytes
    case 5:
      bytes[at] = draw(256)
      return bytes
    default:
      bytes[at]! ^= 1 << draw(8)
      return bytes
  }
}
