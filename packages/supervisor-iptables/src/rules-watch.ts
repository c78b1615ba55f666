/** Looking takes no more than this share of the time. */
const MAX_SHARE = 1 / 10

export interface RulesWatchOptions {
  /** Between two looks; longer where looking takes long. */
  readonly everyMs: number
  /** Must not reject. */
  readonly look: () => Promise<void>
}

/** Looks now and then whether the rules are still there. */
export class RulesWatch {
  readonly #options: RulesWatchOptions
  #timer: NodeJS.Timeout | undefined
  #isWatching = false

  constructor(options: RulesWatchOptions) {
    this.#options = options
  }

  start(): void {
    this.#isWatching = true
    this.#wait(this.#options.everyMs)
  }

  stop(): void {
    this.#isWatching = false
    clearTimeout(this.#timer)
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#look(), ms).unref()
  }

  async #look(): Promise<void> {
    const { everyMs, look } = this.#options
    const began = performance.now()
    await look()
    if (this.#isWatching) this.#wait(Math.max(everyMs, (performance.now() - began) / MAX_SHARE))
  }
}
