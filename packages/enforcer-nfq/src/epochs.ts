import type { PUContext } from './datapath/pu-context.js'
import type { Settlement } from './settlement.js'

const SETTLE_AGAIN_MS = 250
/** Until then the rules of the new epoch are in force, or the change has failed. */
const SETTLE_FOR_MS = 5000
const PRUNE_MS = 60_000

export interface EpochsOptions {
  /** 0 to 15. */
  readonly first: number
  readonly settlement: Pick<Settlement, 'nextEpoch' | 'settle' | 'judgeKnown' | 'prune'>
  /** Milliseconds. */
  readonly now: () => number
  readonly onError: (error: unknown) => void
}

/** The epochs of one network namespace, and when its connections are decided again. */
export class Epochs {
  readonly #options: EpochsOptions
  #current: number
  #timer: NodeJS.Timeout | undefined
  #settleUntilMs = 0
  #prunedAtMs: number
  #unsettled = 0

  constructor(options: EpochsOptions) {
    this.#options = options
    this.#current = options.first
    this.#prunedAtMs = options.now()
  }

  get current(): number {
    return this.#current
  }

  /** The epoch to enter when the rules of `pus` are replaced. Throws `KernelError`. */
  next(pus: readonly PUContext[]): number {
    return this.#options.settlement.nextEpoch(this.#current, pus)
  }

  /**
   * Decides from now on in this epoch. Settles at once, and again for a while: until the kernel has the rules of the epoch, it lets
   * connections in by those before.
   */
  enter(epoch: number): void {
    if (epoch !== this.#current) {
      this.#current = epoch
      this.#settleUntilMs = this.#options.now() + SETTLE_FOR_MS
      this.#settle(true)
    } else if (this.#unsettled > 0) this.#settle()
  }

  /** The trireme networks have moved. */
  networksMoved(): void {
    this.#attempt(() => this.#options.settlement.judgeKnown(this.#current))
  }

  /** A packet of another epoch came. */
  settleSoon(): void {
    this.#timer ??= setTimeout(() => this.#settle(), SETTLE_AGAIN_MS / 5).unref()
  }

  /** To be called every few seconds while there are live flows. */
  sweep(): void {
    if (this.#unsettled > 0) this.#settle()
    if (this.#options.now() - this.#prunedAtMs < PRUNE_MS) return
    this.#prunedAtMs = this.#options.now()
    this.#attempt(() => this.#options.settlement.prune())
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#settleUntilMs = 0
  }

  #settle(isStart = false): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#attempt(() => {
      this.#unsettled = this.#options.settlement.settle(this.#current, isStart)
    })
    if (this.#options.now() >= this.#settleUntilMs) return
    this.#timer = setTimeout(() => this.#settle(), SETTLE_AGAIN_MS).unref()
  }

  #attempt(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.#options.onError(error)
    }
  }
}
