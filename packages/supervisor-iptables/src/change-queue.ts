/** Turns a state into the next one. Throwing refuses the change. */
export type Change<State> = (state: State) => State

/** Makes the outside world equal to `next`, or leaves it as it was for `previous` and throws. */
export type Commit<State> = (next: State, previous: State) => Promise<void>

interface Waiting<State> {
  readonly change: Change<State>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Applies changes to a state in the order in which they were submitted. Changes that arrive while one commit runs gather and
 * go into the next commit together; where that fails they are committed one by one, so that only the culprits are refused.
 */
export class ChangeQueue<State> {
  #state: State
  #waiting: Waiting<State>[] = []
  #running: Promise<void> | undefined
  readonly #commit: Commit<State>

  constructor(initial: State, commit: Commit<State>) {
    this.#state = initial
    this.#commit = commit
  }

  /** What was committed last. */
  get state(): State {
    return this.#state
  }

  /** Whether changes are under way. */
  get isBusy(): boolean {
    return this.#running !== undefined
  }

  /** Resolves when a commit that holds the change has succeeded, rejects with why it was refused. */
  submit(change: Change<State>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ change, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    // Whatever is submitted in the same turn belongs to the first batch.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      await this.#applyBatch(batch)
    }
    this.#running = undefined
  }

  async #applyBatch(batch: readonly Waiting<State>[]): Promise<void> {
    if (batch.length > 1 && (await this.#commitTogether(batch))) return
    for (const { change, resolve, reject } of batch) {
      try {
        await this.#advance(change(this.#state))
        resolve()
      } catch (error) {
        reject(error)
      }
    }
  }

  async #commitTogether(batch: readonly Waiting<State>[]): Promise<boolean> {
    try {
      await this.#advance(batch.reduce((state, { change }) => change(state), this.#state))
    } catch {
      // Not swallowed: the culprit fails again when it is alone.
      return false
    }
    for (const { resolve } of batch) resolve()
    return true
  }

  async #advance(next: State): Promise<void> {
    if (Object.is(next, this.#state)) return
    await this.#commit(next, this.#state)
    this.#state = next
  }
}
