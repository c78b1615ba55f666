/** Looking takes no more than this share of the time. */
const MAX_SHARE = 1 / 10
/** Where looking is in vain, it gets as many times rarer at most. */
const MAX_PATIENCE = 64

export interface RulesWatchOptions {
  /** Between two looks; longer where looking takes long. */
  readonly everyMs: number
  /** Must not reject. `in-vain`: what was found could not be put right, and the next look has time. */
  readonly look: () => Promise<'done' | 'in-vain'>
}

/** Looks now and then whether the rules are still there. */
export class RulesWatch {
  readonly #options: RulesWatchOptions
  #timer: NodeJS.Timeout | undefined
  #isWatching = false
  #patience = 1

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
    const outcome = await look()
    this.#patience = outcome === 'done' ? 1 : Math.min(this.#patience * 2, MAX_PATIENCE)
    const ms = Math.max(everyMs * this.#patience, (performance.now() - began) / MAX_SHARE)
    if (this.#isWatching) this.#wait(ms)
  }
}
