/** Tasks in the order in which they came, one at a time per key; keys run beside each other. A key without tasks costs nothing. */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<void>>()

  /** How many keys have tasks. */
  get size(): number {
    return this.#tails.size
  }

  /** Settles as the task does. A task that fails does not hinder those behind it. */
  run<Result>(key: string, task: () => Promise<Result>): Promise<Result> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    const result = before.then(task)
    const tail = result.then(ignore, ignore).then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
    })
    this.#tails.set(key, tail)
    return result
  }

  /** Resolves when the tasks that are queued now have ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#tails.values())
  }
}

/** The task's own promise tells its caller what became of it. */
function ignore(): void {}
