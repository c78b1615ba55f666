import type { DropReason } from '@trireme/core'

type CounterName =
  | 'accepted'
  | 'rejected'
  | 'observed'
  | 'refused'
  | 'unreported'
  | 'unanswered'
  | 'displaced'
  | `drop.${DropReason}`

/**
 * Counts outcomes by name: of connections `accepted`, `rejected`, `observed`, `refused` by the other end, and `unreported` where a
 * rejection made no record; of SYNs that were sent again without an answer `unanswered`; of SYNs sent again without an answer `unanswered`, of handshakes under way `displaced`, which gave way to others; of packets that were not let through, whether they were answered or not, `drop.<reason>`.
 */
export class Counters {
  readonly #counts = new Map<string, number>()

  count(name: CounterName): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
  }

  snapshot(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)))
  }
}
