import type { Clock } from './clock.js'
import type { PURuntime } from './pu.js'

export type NameServersOf = (runtime: PURuntime) => readonly string[]

const PERIOD_MS = 5_000
/** So many files are read at a time, some milliseconds: the event loop has its turn in between. */
const SLICE = 64

/** Knows which name servers each PU was given, and says where its resolv.conf names others by now. */
export class NameServerWatch {
  readonly #clock: Clock
  readonly #nameServersOf: NameServersOf
  readonly #onChange: (contextID: string) => void
  readonly #watched = new Map<string, { readonly runtime: PURuntime; readonly given: string }>()
  #cancelTimer: (() => void) | undefined

  constructor(clock: Clock, nameServersOf: NameServersOf, onChange: (contextID: string) => void) {
    this.#clock = clock
    this.#nameServersOf = nameServersOf
    this.#onChange = onChange
  }

  /** The PU's name servers now. From here on their change is reported. */
  watch(contextID: string, runtime: PURuntime): readonly string[] {
    const servers = this.#nameServersOf(runtime)
    this.#watched.set(contextID, { runtime, given: servers.join(' ') })
    this.#cancelTimer ??= this.#clock.setTimer(() => this.#look(), PERIOD_MS)
    return servers
  }

  unwatch(contextID: string): void {
    this.#watched.delete(contextID)
  }

  stop(): void {
    this.#watched.clear()
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  #look(pending: readonly string[] = [...this.#watched.keys()]): void {
    this.#cancelTimer = undefined
    for (const contextID of pending.slice(0, SLICE)) this.#compare(contextID)
    const left = pending.slice(SLICE)
    if (this.#watched.size === 0) return
    this.#cancelTimer =
      left.length > 0
        ? this.#clock.setTimer(() => this.#look(left), 0)
        : this.#clock.setTimer(() => this.#look(), PERIOD_MS)
  }

  #compare(contextID: string): void {
    const watched = this.#watched.get(contextID)
    if (watched === undefined) return
    const servers = this.#nameServersOf(watched.runtime)
    // A file that is being replaced, or whose process has ended, names none for a moment: what was given stays.
    if (servers.length > 0 && servers.join(' ') !== watched.given) this.#onChange(contextID)
  }
}
