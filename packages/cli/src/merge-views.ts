import type { FlowEndpointJSON, FlowJSON } from './flow-json.js'

/** A connection as both ends saw it, where both are known. */
export interface MergedFlow extends FlowJSON {
  /** What the other end said, where it said something else: `refused`, where the other end's refusal is the news. */
  readonly otherEnd?: FlowJSON
  /** How many ends are known to have said so: 1 or 2. */
  readonly ends: number
}

/** Reasons of the end that only hears that the other end refused. */
const HEARSAY = ['refused', 'unanswered']

/**
 * One entry per connection, in the order of the first records. Records of one connection share an ID; a third record of it, of the same
 * end at a later time, is an entry of its own.
 */
export function mergeViews(flows: readonly FlowJSON[]): readonly MergedFlow[] {
  const merged: MergedFlow[] = []
  const single = new Map<string, number>()
  for (const flow of flows) {
    const at = single.get(flow.id)
    if (at === undefined) {
      single.set(flow.id, merged.length)
      merged.push({ ...flow, ends: 1 })
    } else {
      single.delete(flow.id)
      merged[at] = merge(merged[at]!, flow)
    }
  }
  return merged
}

function merge(first: FlowJSON, second: FlowJSON): MergedFlow {
  const [told, other] = isNews(second) && !isNews(first) ? [second, first] : [first, second]
  const isSame = told.verdict === other.verdict && told.reason === other.reason && told.rule === other.rule
  const isHearsay = told.verdict === 'reject' && HEARSAY.includes(other.reason)
  return {
    ...told,
    time: first.time,
    source: knownOf(told.source, other.source),
    destination: knownOf(told.destination, other.destination),
    observed: told.observed || other.observed,
    count: Math.max(told.count, other.count),
    ends: 2,
    ...(isSame || isHearsay ? {} : { otherEnd: other }),
  }
}

/** Whether the record says why: a refusal that was decided here comes before what only one end accepted. */
function isNews({ verdict, reason }: FlowJSON): boolean {
  return verdict === 'reject' && !HEARSAY.includes(reason)
}

function knownOf(one: FlowEndpointJSON, other: FlowEndpointJSON): FlowEndpointJSON {
  return one.id === '' && other.id !== '' ? other : one
}
