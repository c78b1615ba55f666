import { TwoGenerationMap } from '@trireme/core'

const REMEMBERED = 32_768

/** Where a SYN was seen. */
export interface Sighting {
  /** Its flow key. */
  readonly key: string
  readonly isn: number
}

/**
 * Remembers on which tuple and with which ISN a SYN's record and nonce were seen: a client draws a nonce for each, so the
 * same pair with another is a replay.
 */
export class ReplayFilter {
  readonly #seen = new TwoGenerationMap<string, string>(REMEMBERED)

  /** Whether the pair was seen elsewhere; remembers it for this place otherwise. */
  isReplay(recordHash: Buffer, nonce: Uint8Array, { key, isn }: Sighting): boolean {
    const pair = recordHash.toString('latin1') + Buffer.from(nonce).toString('latin1')
    const place = `${key}${isn}`
    const seenAt = this.#seen.get(pair)
    if (seenAt === undefined) this.#seen.set(pair, place)
    return seenAt !== undefined && seenAt !== place
  }
}
