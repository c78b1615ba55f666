import { TriremeError } from '@trireme/core'

/** How many PUs a user may have at a time, those that are about to start included: queues are a bounded good that all share. */
export class UserQuota {
  readonly #max: number
  readonly #starting = new Map<number, number>()

  constructor(max: number) {
    this.#max = max
  }

  /**
   * Takes the step that starts one more.
   * @param had how many the user has that run.
   * @throws TriremeError `ERR_NOT_PERMITTED` where that would be too many.
   */
  async within<Result>(uid: number, had: number, step: () => Promise<Result>): Promise<Result> {
    const starting = this.#starting.get(uid) ?? 0
    if (had + starting >= this.#max) {
      throw new TriremeError(
        'ERR_NOT_PERMITTED',
        `user ${uid} has ${this.#max} PUs, the most there may be: end some`,
      )
    }
    this.#starting.set(uid, starting + 1)
    try {
      return await step()
    } finally {
      this.#release(uid)
    }
  }

  #release(uid: number): void {
    const left = (this.#starting.get(uid) ?? 0) - 1
    if (left > 0) this.#starting.set(uid, left)
    else this.#starting.delete(uid)
  }
}
