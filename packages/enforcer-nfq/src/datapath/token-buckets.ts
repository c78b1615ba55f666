import { TwoGenerationMap } from '@trireme/core'
import { TokenBucket } from './token-bucket.js'

/** A bucket for each key, of at most so many keys as the latest. */
export class TokenBuckets {
  readonly #perSecond: number
  readonly #buckets: TwoGenerationMap<string, TokenBucket>

  constructor(perSecond: number, maxKeys: number) {
    this.#perSecond = perSecond
    this.#buckets = new TwoGenerationMap(maxKeys)
  }

  /** Whether one more event of the key may happen now. */
  take(key: string, nowMs: number): boolean {
    const known = this.#buckets.get(key)
    const bucket = known ?? new TokenBucket(this.#perSecond)
    if (!known) this.#buckets.set(key, bucket)
    return bucket.take(nowMs)
  }
}
