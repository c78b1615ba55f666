import { describe, expect, it, vi } from 'vitest'
import type { FlowJSON } from './flow-json.js'
import { FlowLog } from './flow-log.js'
import { sampleFlow } from './testing/sample-flow.js'

const never = new AbortController().signal

async function readAll(log: FlowLog): Promise<FlowJSON[]> {
  let text = ''
  for await (const chunk of log.read({ follow: false, signal: never })) text += chunk
  return text
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as FlowJSON)
}

const add = (log: FlowLog, first: number, count: number) => {
  for (let n = first; n < first + count; n++) log.collectFlowEvent(sampleFlow({ id: String(n) }))
}

describe('FlowLog', () => {
  it('gives records in their order', async () => {
    const log = new FlowLog()
    add(log, 0, 450)
    expect((await readAll(log)).map(flow => flow.id)).toEqual(
      Array.from({ length: 450 }, (_, n) => String(n)),
    )
  })

  it('keeps the latest ones only', async () => {
    const log = new FlowLog({ capacity: 10 })
    add(log, 0, 1234)
    expect((await readAll(log)).map(flow => flow.id)).toEqual(
      Array.from({ length: 10 }, (_, n) => String(1224 + n)),
    )
  })

  it('wakes a follower for each record, until it leaves', async () => {
    const log = new FlowLog()
    const left = new AbortController()
    const seen: string[] = []
    add(log, 0, 1)
    const reading = (async () => {
      for await (const chunk of log.read({ follow: true, signal: left.signal })) seen.push(chunk)
    })()
    await vi.waitFor(() => expect(seen).toHaveLength(1))
    add(log, 1, 2)
    await vi.waitFor(() => expect(seen.join('').match(/"id":"2"/)).not.toBeNull())
    left.abort()
    await reading
    expect(seen.join('').split('\n')).toHaveLength(4)
  })

  it('ends its followers when it is closed', async () => {
    const log = new FlowLog()
    const reading = (async () => {
      let text = ''
      for await (const chunk of log.read({ follow: true, signal: never })) text += chunk
      return text
    })()
    add(log, 0, 1)
    log.close()
    expect(await reading).toContain('"id":"0"')
  })

  it('tells a follower that lagged how many it missed', async () => {
    const log = new FlowLog({ capacity: 5 })
    add(log, 0, 1)
    const reader = log.read({ follow: true, signal: never })
    await reader.next()
    add(log, 1, 12)
    expect((await reader.next()).value).toBe('{"skipped":7}\n')
    expect((await reader.next()).value).toMatch(/^{"time":.*"id":"8"/)
    log.close()
  })

  it('counts every flow of a record', () => {
    const log = new FlowLog({ capacity: 1 })
    add(log, 0, 3)
    log.collectFlowEvent(sampleFlow({ verdict: 'reject', reason: 'policy', count: 4 }))
    log.collectFlowEvent(sampleFlow({ verdict: 'reject', reason: 'token' }))
    log.collectFlowEvent(sampleFlow({ observed: true, reason: 'policy' }))
    expect(log.counters()).toEqual({
      accept: 4,
      'accept policy': 1,
      observed: 1,
      reject: 5,
      'reject policy': 4,
      'reject token': 1,
    })
  })

  it('passes PU events on', () => {
    const onPUEvent = vi.fn()
    const record = { time: '', contextID: 'a', event: 'start', tags: [] } as const
    new FlowLog({ onPUEvent }).collectPUEvent(record)
    expect(onPUEvent).toHaveBeenCalledWith(record)
  })
})
