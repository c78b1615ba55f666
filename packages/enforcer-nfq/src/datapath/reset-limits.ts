import { TokenBuckets } from './token-buckets.js'

const RESETS_PER_SECOND = 100
const REMEMBERED_PUS = 4096

/** Resets that nobody has proved to deserve: 100 a second for each PU, and as many for packets of no PU. */
export class ResetLimits {
  readonly #buckets = new TokenBuckets(RESETS_PER_SECOND, REMEMBERED_PUS)

  /** Whether one more may be sent for the PU of this context ID now. */
  take(contextID: string | undefined, nowMs: number): boolean {
    return this.#buckets.take(contextID ?? '', nowMs)
  }
}
