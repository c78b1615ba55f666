import type { QueuedPacket } from './queue.js'

/** A copy of a packet that waits for a token engine. */
export interface HeldPacket {
  readonly queue: number
  readonly id: number
  readonly hook: number
  readonly mark: number
  readonly isLoopback: boolean
  readonly interfaceIndex: number
  readonly bytes: Uint8Array
  /** Until when it may wait, by `performance.now()`. */
  readonly deadlineMs: number
  readonly isSecondWait: boolean
}

export interface HeldPacketsOptions {
  /** Packets at most; beyond it they are dropped at once. */
  readonly maxPackets: number
  readonly timeoutMs: number
  /** The wait is over: decide again, or, after the time limit, drop. */
  readonly onReady: (packet: HeldPacket, isTimeout: boolean) => void
}

/**
 * Packets that are held while a token engine verifies. Each is handed back exactly once. No queue holds more than are free: however
 * many packets come through one PU's, others find room.
 */
export class HeldPackets {
  readonly #options: HeldPacketsOptions
  readonly #held = new Set<HeldPacket>()
  readonly #counts = new Map<number, number>()

  constructor(options: HeldPacketsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#held.size
  }

  /** Copies the packet and holds it until `until` settles. False where there is no room. */
  hold(packet: QueuedPacket, until: Promise<unknown>): boolean {
    const free = this.#options.maxPackets - this.#held.size
    if (this.#ofQueue(packet.queue) >= free) return false
    const { queue, id, hook, mark, isLoopback, interfaceIndex } = packet
    const bytes = new Uint8Array(packet.data.subarray(packet.offset, packet.offset + packet.length))
    const { timeoutMs } = this.#options
    const deadlineMs = performance.now() + timeoutMs
    const about = { queue, id, hook, mark, isLoopback, interfaceIndex }
    const held = { ...about, bytes, deadlineMs, isSecondWait: false }
    this.#wait(held, until, timeoutMs)
    return true
  }

  /**
   * Holds a packet that was handed back once more, within the same time: the secrets may have been replaced while it waited. False
   * for a third wait, which could go on for ever where an engine's answer is not kept.
   */
  holdAgain(held: HeldPacket, until: Promise<unknown>): boolean {
    if (held.isSecondWait) return false
    this.#wait({ ...held, isSecondWait: true }, until, Math.max(0, held.deadlineMs - performance.now()))
    return true
  }

  /** Hands back none of the packets of a queue that was given up: its number, and their ids, may mean others soon. */
  forget(queue: number): void {
    for (const held of this.#held) if (held.queue === queue) this.#remove(held)
  }

  /** Hands back none of them. */
  clear(): void {
    this.#held.clear()
    this.#counts.clear()
  }

  #wait(held: HeldPacket, until: Promise<unknown>, timeoutMs: number): void {
    this.#held.add(held)
    this.#counts.set(held.queue, this.#ofQueue(held.queue) + 1)
    const timer = setTimeout(() => this.#release(held, true), timeoutMs).unref()
    const settled = () => {
      clearTimeout(timer)
      this.#release(held, false)
    }
    until.then(settled, settled)
  }

  #ofQueue(queue: number): number {
    return this.#counts.get(queue) ?? 0
  }

  #remove(held: HeldPacket): boolean {
    if (!this.#held.delete(held)) return false
    const left = this.#ofQueue(held.queue) - 1
    if (left > 0) this.#counts.set(held.queue, left)
    else this.#counts.delete(held.queue)
    return true
  }

  #release(held: HeldPacket, isTimeout: boolean): void {
    if (this.#remove(held)) this.#options.onReady(held, isTimeout)
  }
}
