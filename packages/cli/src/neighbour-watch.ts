import { messageOf } from './failure.js'
import { leftOverProblems, neighbourProblems } from './neighbours.js'
import type { Problems } from './problems.js'

/** Between two looks; longer where a look takes long. */
const EVERY_MS = 30_000
/** Looking takes no more than this share of the time. */
const MAX_SHARE = 1 / 50

/** Keeps the daemon's problems up to date with what others do in its network namespace. */
export class NeighbourWatch {
  readonly #serverID: string
  readonly #problems: Problems
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(serverID: string, problems: Problems) {
    this.#serverID = serverID
    this.#problems = problems
  }

  /** Looks once, and again now and then until `stop`. */
  async start(): Promise<void> {
    const began = performance.now()
    await Promise.all([
      this.#note('left-overs', () => leftOverProblems(this.#serverID)),
      this.#note('neighbours', neighbourProblems),
    ])
    if (this.#isStopped) return
    const ms = Math.max(EVERY_MS, (performance.now() - began) / MAX_SHARE)
    this.#timer = setTimeout(() => void this.start(), ms).unref()
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  /** What cannot be looked at is a problem itself, and no reason not to enforce. */
  async #note(group: string, look: () => Promise<readonly string[]>): Promise<void> {
    const sentences = await look().catch(error => [
      `rules of other programs could not be looked at: ${messageOf(error)}`,
    ])
    this.#problems.replace(group, sentences)
  }
}
