import type { ServerFlow } from './flow.js'
import { sourceOf } from './sources.js'

/**
 * The server flows that wait for their MAC_c, by source, each source's eldest first: no source may have more than a share of the
 * room, and where there is none left the fullest source gives way.
 */
export class HalfOpen {
  readonly #bySource = new Map<string, Set<ServerFlow>>()
  /** Sources by the number of binary digits of how many flows they have. */
  readonly #bySize = Array.from({ length: 33 }, () => new Set<string>())
  #size = 0

  get size(): number {
    return this.#size
  }

  add(flow: ServerFlow): void {
    const source = sourceOf(flow.key)
    const flows = this.#bySource.get(source) ?? new Set()
    this.#bySource.set(source, flows)
    this.#change(source, flows, () => flows.add(flow))
  }

  remove(flow: ServerFlow): void {
    const source = sourceOf(flow.key)
    const flows = this.#bySource.get(source)
    if (!flows?.has(flow)) return
    this.#change(source, flows, () => flows.delete(flow))
    if (flows.size === 0) this.#bySource.delete(source)
  }

  /** The source's eldest flow, if it has `atLeast` so many. */
  eldestOf(source: string, atLeast: number): ServerFlow | undefined {
    const flows = this.#bySource.get(source)
    return flows && flows.size >= atLeast ? flows.values().next().value : undefined
  }

  /** The eldest flow of a source that none has more than twice as many flows as. */
  eldestOfFullest(): ServerFlow | undefined {
    const sources = this.#bySize.findLast(each => each.size > 0)
    const source = sources?.values().next().value
    return source === undefined ? undefined : this.eldestOf(source, 1)
  }

  #change(source: string, flows: Set<ServerFlow>, step: () => void): void {
    const before = flows.size
    step()
    this.#size += flows.size - before
    this.#bySize[digits(before)]?.delete(source)
    if (flows.size > 0) this.#bySize[digits(flows.size)]?.add(source)
  }
}

function digits(number: number): number {
  return 32 - Math.clz32(number)
}
