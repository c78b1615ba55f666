import type { FlowJSON } from './flow-json.js'

/** Which flows are to be shown. */
export interface FlowSelection {
  /** ISO 8601, or a time span before now: `30s`, `15m`, `2h`, `7d`. */
  readonly since?: string
  /** `accept`, `reject` or `observed`. */
  readonly verdict?: string
  /** ID, or the beginning of one, of a PU at either end. */
  readonly pu?: string
  /** As `key=value`, of either end. */
  readonly tag?: string
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }
const VERDICTS = ['accept', 'reject', 'observed']

/**
 * Whether a flow is among those selected.
 * @throws RangeError for an option that is not one of those expected.
 */
export function flowFilter(selection: FlowSelection, now = Date.now()): (flow: FlowJSON) => boolean {
  const { since, verdict, pu, tag } = selection
  const from = since === undefined ? undefined : timeOf(since, now)
  if (verdict !== undefined && !VERDICTS.includes(verdict)) {
    throw new RangeError(`--verdict ${JSON.stringify(verdict)}: expected ${VERDICTS.join(', ')}`)
  }
  if (tag !== undefined && !/^[^=]+=/.test(tag)) {
    throw new RangeError(`--tag ${JSON.stringify(tag)}: expected key=value`)
  }
  return flow => {
    const ends = [flow.source, flow.destination]
    return (
      (from === undefined || Date.parse(flow.time) >= from) &&
      (verdict === undefined || (verdict === 'observed' ? flow.observed : flow.verdict === verdict)) &&
      (pu === undefined || ends.some(({ id }) => id !== '' && id.startsWith(pu))) &&
      (tag === undefined || ends.some(({ tags }) => tags.includes(tag)))
    )
  }
}

/** Milliseconds since 1970. */
function timeOf(text: string, now: number): number {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  if (count !== undefined && unit !== undefined) return now - Number(count) * SECONDS[unit]! * 1000
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(time)) return time
  throw new RangeError(
    `--since ${JSON.stringify(text)}: expected a time such as 2030-01-31T12:00:00Z, or 30s, 15m, 2h, 7d`,
  )
}
