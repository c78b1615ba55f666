import type { FlowRecord } from '@trireme/core'
import { describe, expect, it } from 'vitest'
import { flowFilter } from './flow-filter.js'
import { flowJSON } from './flow-json.js'
import { flowLine } from './flow-line.js'
import { mergeViews } from './merge-views.js'
import { sampleFlow } from './testing/sample-flow.js'

const merged = (...records: Partial<FlowRecord>[]) =>
  mergeViews(records.map(record => flowJSON(sampleFlow(record))))
const stranger = { id: '', ip: '10.0.0.2', port: 8080, tags: [] }

describe('one line per connection', () => {
  it('where both ends accepted', () => {
    const [flow, ...others] = merged({}, {})
    expect(others).toEqual([])
    expect(flowLine(flow!)).toMatch(/web-from-frontend; both ends$/)
  })

  it("shows the end's reason that decided, and both identities", () => {
    const decided = { verdict: 'reject', reason: 'policy', rule: 'default deny' } as const
    const heard = { verdict: 'reject', reason: 'refused', rule: '', destination: stranger } as const
    for (const records of [
      [decided, heard],
      [heard, decided],
    ]) {
      const [flow, ...others] = merged(...records)
      expect(others).toEqual([])
      expect(flowLine(flow!)).toMatch(/server-1 app=web\) {2}policy: default deny; both ends$/)
    }
  })

  it('shows what each end said where they differ', () => {
    const [flow] = merged({}, { verdict: 'reject', reason: 'clock', rule: '' })
    expect(flowLine(flow!)).toMatch(/reject .*clock \(.*\); the other end: accept web-from-frontend$/)
  })

  it('leaves alone what has another ID, and what comes again', () => {
    expect(merged({}, { id: 'other' })).toHaveLength(2)
    expect(merged({}, {}, {}, {})).toHaveLength(2)
    expect(flowLine(merged({})[0]!)).not.toContain('ends')
  })
})

describe('a refusal explains', () => {
  const line = (change: Partial<FlowRecord>) =>
    flowLine(flowJSON(sampleFlow({ verdict: 'reject', ...change })))
  it('a port that was not declared', () => {
    expect(line({ reason: 'policy', rule: 'closed port' })).toContain('run it with --port 8080')
  })
  it("the kernel's refusal, which is not the policy's", () => {
    expect(line({ reason: 'no-listener', rule: '' })).toContain('the kernel refused, not the policy')
    expect(line({ reason: 'policy', rule: 'default deny' })).not.toContain('kernel')
  })
  it('by the hint of the end that knows more', () => {
    expect(
      flowLine({ ...flowJSON(sampleFlow({ verdict: 'reject', reason: 'clock' })), hint: 'likely so' }),
    ).toContain('(likely so)')
  })
})

describe('flows are selected', () => {
  const flow = flowJSON(sampleFlow())
  const now = Date.parse(flow.time) + 90_000

  it.each([
    [{}, true],
    [{ since: '2m' }, true],
    [{ since: '1m' }, false],
    [{ since: '2030-01-02T03:04:05Z' }, true],
    [{ since: '2030-01-03' }, false],
    [{ verdict: 'accept' }, true],
    [{ verdict: 'reject' }, false],
    [{ verdict: 'observed' }, false],
    [{ pu: 'server' }, true],
    [{ pu: 'none' }, false],
    [{ tag: 'app=frontend' }, true],
    [{ tag: 'app=front' }, false],
  ])('by %j: %s', (selection, expected) => {
    expect(flowFilter(selection, now)(flow)).toBe(expected)
  })

  it.each([{ since: 'yesterday' }, { since: '5' }, { verdict: 'ok' }, { tag: 'app' }])(
    'and not by %j',
    selection => {
      expect(() => flowFilter(selection)).toThrow(RangeError)
    },
  )
})
