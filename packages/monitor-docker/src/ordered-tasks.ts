/**
 * Tasks in the order in which they came, one at a time per key, at most `limit` at a time over all keys. A key without tasks
 * costs nothing.
 */
export class OrderedTasks {
  readonly #limit: number
  readonly #waiting = new Map<string, (() => Promise<void>)[]>()
  /** Keys with tasks whose turn has not come, the eldest first. */
  readonly #ready: string[] = []
  readonly #idle: (() => void)[] = []
  #running = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Settles as the task does. A task that fails does not hinder those behind it. */
  run<Result>(key: string, task: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const entry = () => task().then(resolve, reject)
      const waiting = this.#waiting.get(key)
      if (waiting !== undefined) {
        waiting.push(entry)
        return
      }
      this.#waiting.set(key, [entry])
      this.#ready.push(key)
      this.#next()
    })
  }

  /** Resolves when no task is left. */
  async idle(): Promise<void> {
    if (this.#waiting.size === 0) return
    await new Promise<void>(resolve => this.#idle.push(resolve))
  }

  #next(): void {
    while (this.#running < this.#limit) {
      const key = this.#ready.shift()
      if (key === undefined) return
      void this.#take(key)
    }
  }

  async #take(key: string): Promise<void> {
    const waiting = this.#waiting.get(key) ?? []
    this.#running += 1
    await waiting.shift()?.()
    this.#running -= 1
    if (waiting.length > 0) this.#ready.push(key)
    else this.#waiting.delete(key)
    this.#next()
    if (this.#waiting.size === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }
}
