/** Allows `perSecond` events a second, and as many at once after a pause. */
export class TokenBucket {
  readonly #perSecond: number
  #tokens: number
  #filledAtMs = Number.NEGATIVE_INFINITY

  constructor(perSecond: number) {
    this.#perSecond = perSecond
    this.#tokens = perSecond
  }

  /** Whether one more event may happen now. */
  take(nowMs: number): boolean {
    const elapsedS = Math.max(0, (nowMs - this.#filledAtMs) / 1000)
    this.#tokens = Math.min(this.#perSecond, this.#tokens + elapsedS * this.#perSecond)
    this.#filledAtMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
