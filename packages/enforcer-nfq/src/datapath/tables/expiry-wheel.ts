import { SlotLists } from './slot-lists.js'

const TICK_MS = 1000
const TICKS = 128

/**
 * A timer wheel of 128 seconds: slots by the second in which they are due, so that looking for those that are costs what they are,
 * not what there is.
 */
export class ExpiryWheel {
  readonly #lists = new SlotLists(TICKS)
  #tick: number | undefined

  /** Has the slot handed out at `dueMs`, at most 127 s ahead, in place of any earlier time. */
  schedule(slot: number, dueMs: number): void {
    this.#lists.add(Math.ceil(dueMs / TICK_MS) % TICKS, slot)
  }

  cancel(slot: number): void {
    this.#lists.remove(slot)
  }

  /**
   * Hands out every slot that may be due since the last call, once, and takes it off. A clock that was set hands out more: `onDue`
   * looks at the slot's own time, and schedules it again where it is early.
   */
  advance(nowMs: number, onDue: (slot: number) => void): void {
    const now = Math.floor(nowMs / TICK_MS)
    const from = this.#tick ?? now - TICKS
    const isSetBack = now < from
    const count = isSetBack ? TICKS : Math.min(TICKS, now - from)
    this.#tick = now
    const due: number[] = []
    for (let tick = now - count + 1; tick <= now; tick++) this.#take(((tick % TICKS) + TICKS) % TICKS, due)
    for (const slot of due) onDue(slot)
  }

  #take(list: number, into: number[]): void {
    for (let slot = this.#lists.first(list); slot !== -1; slot = this.#lists.first(list)) {
      this.#lists.remove(slot)
      into.push(slot)
    }
  }
}
