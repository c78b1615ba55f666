import { TwoGenerationMap } from '@trireme/core'
import { TokenBucket } from './token-bucket.js'

const RESETS_PER_SECOND = 100
const REMEMBERED_PUS = 4096

/** Resets that nobody has proved to deserve: 100 a second for each PU, and as many for packets of no PU. */
export class ResetLimits {
  readonly #buckets = new TwoGenerationMap<string, TokenBucket>(REMEMBERED_PUS)

  /** Whether one more may be sent for the PU of this context ID now. */
  take(contextID: string | undefined, nowMs: number): boolean {
    const id = contextID ?? ''
    const known = this.#buckets.get(id)
    const bucket = known ?? new TokenBucket(RESETS_PER_SECOND)
    if (!known) this.#buckets.set(id, bucket)
    return bucket.take(nowMs)
  }
}
