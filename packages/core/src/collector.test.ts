import { afterEach, describe, expect, it } from 'vitest'
import { collectors, noCollector } from './collector.js'
import { aggregatingCollector } from './collector-aggregating.js'
import { manualClock } from './testing/manual-clock.js'
import { newTestCollector } from './testing/plugin-doubles.js'
import { testFlowRecord } from './testing/sample-data.js'

const reject = testFlowRecord()
const accept = testFlowRecord({ verdict: 'accept', reason: '', rule: 'web-from-frontend' })
const started = { time: reject.time, contextID: 'web', event: 'start', tags: [] } as const

describe('collectors', () => {
  const warnings: Error[] = []
  const listen = (warning: Error) => void warnings.push(warning)
  afterEach(() => void process.off('warning', listen))

  it('one that throws harms neither the others nor the caller, and is reported once', async () => {
    process.on('warning', listen)
    const before = newTestCollector()
    const broken = newTestCollector()
    broken.mockCollectFlowEvent(() => {
      throw new Error('disk full')
    })
    const after = newTestCollector()
    const all = collectors(before, broken, after)
    all.collectFlowEvent(reject)
    all.collectFlowEvent(accept)
    all.collectPUEvent(started)
    for (const { flowRecords, puRecords } of [before, after]) {
      expect(flowRecords).toEqual([reject, accept])
      expect(puRecords).toEqual([started])
    }
    expect(broken.puRecords).toEqual([started])
    await new Promise(resolve => setImmediate(resolve))
    const ours = warnings.filter(({ name }) => name === 'TriremeCollectorWarning')
    expect(ours.map(({ message }) => message)).toEqual(['an event collector threw: Error: disk full'])
  })

  it('may be none', () => {
    collectors().collectFlowEvent(reject)
    noCollector.collectFlowEvent(reject)
    noCollector.collectPUEvent(started)
  })
})

describe('aggregatingCollector', () => {
  function setUp(options: { windowMs?: number; maxKinds?: number } = {}) {
    const clock = manualClock()
    const inner = newTestCollector()
    return { clock, inner, collector: aggregatingCollector(inner, { clock, ...options }) }
  }
  const again = (id: string) => testFlowRecord({ id, source: { ...reject.source, port: 40_001 } })
  const other = testFlowRecord({ destination: { ...reject.destination, port: 22 } })

  it('passes accepts and PU events at once, each', () => {
    const { inner, collector } = setUp()
    collector.collectFlowEvent(accept)
    collector.collectFlowEvent(accept)
    collector.collectPUEvent(started)
    expect(inner.flowRecords).toEqual([accept, accept])
    expect(inner.puRecords).toEqual([started])
  })

  it('passes the first reject at once and the rest of the window as one', () => {
    const { clock, inner, collector } = setUp({ windowMs: 500 })
    for (const record of [reject, again('b'), again('c'), other]) collector.collectFlowEvent(record)
    expect(inner.flowRecords).toEqual([reject, other])
    clock.advance(499)
    expect(inner.flowRecords).toHaveLength(2)
    clock.advance(1)
    expect(inner.flowRecords.slice(2)).toEqual([{ ...again('c'), count: 2 }])
  })

  it('goes on gathering while rejects go on, then begins anew', () => {
    const { clock, inner, collector } = setUp()
    collector.collectFlowEvent(reject)
    for (let window = 0; window < 3; window += 1) {
      for (let i = 0; i < 10; i += 1) collector.collectFlowEvent(reject)
      clock.advance(1000)
    }
    expect(inner.flowRecords.map(({ count }) => count)).toEqual([1, 10, 10, 10])
    clock.advance(1000)
    collector.collectFlowEvent(reject)
    expect(inner.flowRecords.map(({ count }) => count)).toEqual([1, 10, 10, 10, 1])
  })

  it('watches no more kinds than allowed, and loses no count', () => {
    const { clock, inner, collector } = setUp({ maxKinds: 2 })
    for (let port = 1; port <= 100; port += 1) {
      const record = testFlowRecord({ destination: { ...reject.destination, port } })
      collector.collectFlowEvent(record)
      collector.collectFlowEvent(record)
    }
    expect(inner.flowRecords.length).toBeGreaterThanOrEqual(198)
    clock.advance(1000)
    expect(inner.flowRecords.reduce((sum, { count }) => sum + count, 0)).toBe(200)
  })

  it('flush passes on what was gathered; after stop everything passes unchanged', () => {
    const { clock, inner, collector } = setUp()
    collector.collectFlowEvent(reject)
    collector.collectFlowEvent(reject)
    collector.flush()
    collector.flush()
    expect(inner.flowRecords.map(({ count }) => count)).toEqual([1, 1])
    collector.collectFlowEvent(reject)
    collector.stop()
    collector.stop()
    expect(inner.flowRecords).toHaveLength(3)
    collector.collectFlowEvent(reject)
    collector.collectFlowEvent(reject)
    clock.advance(5000)
    expect(inner.flowRecords).toHaveLength(5)
  })

  it('refuses a window or a bound that is none', () => {
    expect(() => aggregatingCollector(noCollector, { windowMs: 0 })).toThrow(RangeError)
    expect(() => aggregatingCollector(noCollector, { maxKinds: Number.NaN })).toThrow(/maxKinds NaN/)
  })
})
