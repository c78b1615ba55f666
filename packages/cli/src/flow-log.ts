import type { EventCollector, FlowRecord, PURecord } from '@trireme/core'
import { flowJSON } from './flow-json.js'

/** What a flow log keeps and whom it tells. */
export interface FlowLogOptions {
  /** Flow records kept; older ones are forgotten. Default 10,000. */
  readonly capacity?: number
  readonly onPUEvent?: (record: PURecord) => void
}

/** How a flow log is read. */
export interface FlowReading {
  /** Goes on with new records until the signal comes. */
  readonly follow: boolean
  readonly signal: AbortSignal
}

/** Lines in one chunk for a reader. */
const BATCH = 200

/** The latest flow records, bounded, for any number of readers: a reader that lags costs nothing and loses the oldest. */
export class FlowLog implements EventCollector {
  readonly #capacity: number
  readonly #onPUEvent: ((record: PURecord) => void) | undefined
  /** Record number n lies at n modulo the capacity. */
  readonly #records: FlowRecord[] = []
  readonly #counters: Record<string, number> = {}
  readonly #waiting = new Set<() => void>()
  #end = 0
  #isClosed = false

  constructor({ capacity = 10_000, onPUEvent }: FlowLogOptions = {}) {
    this.#capacity = capacity
    this.#onPUEvent = onPUEvent
  }

  collectFlowEvent(record: FlowRecord): void {
    this.#records[this.#end % this.#capacity] = record
    this.#end++
    this.#count(record)
    for (const wake of [...this.#waiting]) wake()
  }

  collectPUEvent(record: PURecord): void {
    this.#onPUEvent?.(record)
  }

  /** Flows reported so far: `accept`, `reject`, `reject REASON`, `observed`. */
  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters }
  }

  /** JSON texts, each some whole lines of one flow record a line, oldest first; `{"skipped":N}` where the reader lagged. */
  async *read({ follow, signal }: FlowReading): AsyncGenerator<string> {
    let next = this.#start()
    while (!signal.aborted) {
      const skipped = this.#start() - next
      if (skipped > 0) yield `${JSON.stringify({ skipped })}\n`
      next = Math.max(next, this.#start())
      const end = Math.min(this.#end, next + BATCH)
      const lines = Array.from({ length: end - next }, (_, index) => this.#line(next + index))
      next = end
      if (lines.length > 0) yield lines.join('')
      else if (follow && !this.#isClosed) await this.#nextRecord(signal)
      else return
    }
  }

  /** Ends the readers that follow; there will be no more records. */
  close(): void {
    this.#isClosed = true
    for (const wake of [...this.#waiting]) wake()
  }

  #start(): number {
    return Math.max(0, this.#end - this.#capacity)
  }

  #line(number: number): string {
    return `${JSON.stringify(flowJSON(this.#records[number % this.#capacity]!))}\n`
  }

  #nextRecord(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const wake = () => {
        signal.removeEventListener('abort', wake)
        this.#waiting.delete(wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake)
    })
  }

  #count({ verdict, reason, observed, count }: FlowRecord): void {
    const names = [verdict, ...(reason ? [`${verdict} ${reason}`] : []), ...(observed ? ['observed'] : [])]
    for (const name of names) this.#counters[name] = (this.#counters[name] ?? 0) + count
  }
}
