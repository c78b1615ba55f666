import { type Clock, systemClock } from './clock.js'
import { collectors } from './collector.js'
import type { FlowRecord } from './flow.js'
import type { EventCollector } from './plugin.js'

export interface AggregatingCollectorOptions {
  /** For how long identical rejects are gathered. Default 1000. */
  readonly windowMs?: number
  /** How many kinds of rejects are watched at once; beyond that the oldest is passed on early. Default 1024. */
  readonly maxKinds?: number
  readonly clock?: Clock
}

/** A collector that merges what repeats. */
export interface AggregatingCollector extends EventCollector {
  /** Passes on at once what was gathered. */
  flush(): void
  /** Flushes, and gathers no more: later records pass unchanged. Idempotent. */
  stop(): void
}

/**
 * Merges identical rejects on their way to `inner`: same PUs, addresses, protocol, destination port, reason and rule, whatever the
 * source port. The first passes at once; those that follow within the window become one record, the last of them with the
 * `count` of all, when it ends. So the counts always add up to the rejects. Everything else passes at once, unchanged.
 * @throws RangeError for a `windowMs` or `maxKinds` that is not positive.
 */
export function aggregatingCollector(
  inner: EventCollector,
  options: AggregatingCollectorOptions = {},
): AggregatingCollector {
  return new Aggregator(inner, options)
}

interface Gathered {
  last: FlowRecord
  /** Of those that were not passed on yet. */
  count: number
}

class Aggregator implements AggregatingCollector {
  readonly #inner: EventCollector
  readonly #windowMs: number
  readonly #maxKinds: number
  readonly #clock: Clock
  /** Oldest first. A kind stays as long as a window brings more of it. */
  readonly #kinds = new Map<string, Gathered>()
  #cancelTimer: (() => void) | undefined
  #hasStopped = false

  constructor(inner: EventCollector, options: AggregatingCollectorOptions) {
    this.#inner = collectors(inner)
    this.#windowMs = positive('windowMs', options.windowMs ?? 1000)
    this.#maxKinds = positive('maxKinds', options.maxKinds ?? 1024)
    this.#clock = options.clock ?? systemClock
  }

  collectPUEvent(record: Parameters<EventCollector['collectPUEvent']>[0]): void {
    this.#inner.collectPUEvent(record)
  }

  collectFlowEvent(record: FlowRecord): void {
    if (record.verdict === 'accept' || this.#hasStopped) {
      this.#inner.collectFlowEvent(record)
      return
    }
    const kind = kindOf(record)
    const gathered = this.#kinds.get(kind)
    if (gathered !== undefined) {
      gathered.last = record
      gathered.count += record.count
      return
    }
    if (this.#kinds.size >= this.#maxKinds) this.#dropOldest()
    this.#kinds.set(kind, { last: record, count: 0 })
    this.#inner.collectFlowEvent(record)
    this.#cancelTimer ??= this.#clock.setTimer(() => this.#endWindow(), this.#windowMs)
  }

  flush(): void {
    for (const gathered of this.#kinds.values()) this.#pass(gathered)
  }

  stop(): void {
    this.#hasStopped = true
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.flush()
    this.#kinds.clear()
  }

  #endWindow(): void {
    for (const [kind, gathered] of this.#kinds) {
      if (gathered.count === 0) this.#kinds.delete(kind)
      else this.#pass(gathered)
    }
    this.#cancelTimer =
      this.#kinds.size === 0 ? undefined : this.#clock.setTimer(() => this.#endWindow(), this.#windowMs)
  }

  #dropOldest(): void {
    const [oldest] = this.#kinds
    if (oldest === undefined) return
    this.#kinds.delete(oldest[0])
    this.#pass(oldest[1])
  }

  #pass(gathered: Gathered): void {
    if (gathered.count === 0) return
    const merged = { ...gathered.last, count: gathered.count }
    gathered.count = 0
    this.#inner.collectFlowEvent(merged)
  }
}

function kindOf({ source, destination, protocol, reason, rule }: FlowRecord): string {
  return JSON.stringify([
    source.id,
    source.ip,
    destination.id,
    destination.ip,
    destination.port,
    protocol,
    reason,
    rule,
  ])
}

function positive(name: string, value: number): number {
  if (!(value > 0)) throw new RangeError(`${name} ${value}: expected a number above 0`)
  return value
}
