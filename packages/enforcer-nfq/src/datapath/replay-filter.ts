import { TwoGenerationMap } from '@trireme/core'

const REMEMBERED = 32_768

/** Remembers on which tuple a SYN's record and nonce were seen: the same pair on another tuple is a replay. */
export class ReplayFilter {
  readonly #seen = new TwoGenerationMap<string, string>(REMEMBERED)

  /** Whether the pair was seen on another tuple; remembers it for this one otherwise. */
  isReplay(recordHash: Buffer, nonce: Uint8Array, key: string): boolean {
    const pair = recordHash.toString('latin1') + Buffer.from(nonce).toString('latin1')
    const seenOn = this.#seen.get(pair)
    if (seenOn === undefined) this.#seen.set(pair, key)
    return seenOn !== undefined && seenOn !== key
  }
}
