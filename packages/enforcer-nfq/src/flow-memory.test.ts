import { describe, expect, it } from 'vitest'
import type { LiveFlow } from './datapath/live-flows.js'
import { type FlowJournal, inMemoryFlowJournal } from './flow-journal.js'
import { FlowMemory, type MemoryContent } from './flow-memory.js'

const NOTHING: MemoryContent = { namespaces: new Map(), policies: new Map(), addresses: new Map() }

function flow(number: number, differences: Partial<LiveFlow> = {}): LiveFlow {
  const peer = { issuer: 'host-a', puID: 'frontend', tags: [{ key: 'app', value: 'frontend' }] }
  const key = Buffer.alloc(36, number).toString('latin1')
  return { role: 'server', key, contextID: 'web', peer, addedAtMs: 5, ...differences }
}

async function reloaded(journal: FlowJournal): Promise<FlowMemory> {
  const memory = new FlowMemory(journal, error => expect.fail(String(error)))
  await memory.load()
  return memory
}

it('gives back what was noted: epochs, digests and flows, each peer explained once', async () => {
  const journal = inMemoryFlowJournal()
  const memory = await reloaded(journal)
  const short = {
    issuer: 'h',
    puID: 'p',
    tags: [],
    shortTags: { keys: new Set(['aa']), tags: new Set(['bb']) },
  }
  const flows = [flow(0xff), flow(2), flow(3, { role: 'client', peer: short }), flow(4, { peer: undefined })]
  for (const each of flows) memory.noteFlow('', each)
  memory.noteFlow('pu', flow(5))
  memory.noteEpoch('', 3)
  memory.noteEpoch('', 4)
  memory.notePolicy('web', 'old')
  memory.notePolicy('web', 'new')
  await memory.flush(() => NOTHING)
  const lines = await journal.read()
  expect(lines.filter(line => line.includes('claims'))).toHaveLength(2)
  const again = await reloaded(journal)
  expect(again.namespace('')).toEqual({ epoch: 4, liveFlows: flows })
  expect(again.namespace('pu')).toEqual({ epoch: undefined, liveFlows: [flow(5)] })
  expect(again.namespace('unknown')).toEqual({ epoch: undefined, liveFlows: [] })
  expect([again.policy('web'), again.policy('other')]).toEqual(['new', undefined])
})

it('knows the addresses of PUs in force, and no flow of those that were left', async () => {
  const journal = inMemoryFlowJournal()
  const memory = await reloaded(journal)
  const left = '\x02'.repeat(16)
  memory.noteAddresses('web', new Set([left, '\xff'.repeat(16)]))
  memory.noteAddresses('gone', new Set())
  memory.noteAddresses('gone', undefined)
  for (const each of [flow(1), flow(2)]) memory.noteFlow('', each)
  memory.noteForgotten('', new Set([left]))
  await memory.flush(() => NOTHING)
  const again = await reloaded(journal)
  expect(again.addresses('web')).toEqual(new Set([left, '\xff'.repeat(16)]))
  expect(again.addresses('gone')).toBeUndefined()
  expect(again.namespace('').liveFlows).toEqual([flow(1)])
})

it('goes on with numbers of its own after a restart', async () => {
  const journal = inMemoryFlowJournal()
  const first = await reloaded(journal)
  first.noteFlow('', flow(1))
  await first.flush(() => NOTHING)
  const second = await reloaded(journal)
  const other = { issuer: 'host-b', puID: 'other', tags: [] }
  second.noteFlow('', flow(2, { peer: other }))
  await second.flush(() => NOTHING)
  expect((await reloaded(journal)).namespace('').liveFlows).toEqual([flow(1), flow(2, { peer: other })])
})

it('passes over damaged lines', async () => {
  const journal = inMemoryFlowJournal()
  await journal.append([
    '{"ns":"","epoch":2}',
    '{"ns":"","ep',
    'null',
    '[]',
    '7',
    '{"flow":"AA","ns":"","role":"x"}',
  ])
  const memory = await reloaded(journal)
  expect(memory.namespace('')).toEqual({ epoch: 2, liveFlows: [] })
})

it('is written anew when most of it means nothing any more', async () => {
  const journal = inMemoryFlowJournal()
  const memory = await reloaded(journal)
  const liveFlows = [flow(1), flow(2)]
  const namespaces = new Map([['', { epoch: 6, liveFlows }]])
  const addresses = new Map([['web', new Set(['a'.repeat(16)])]])
  const content = () => ({ namespaces, policies: new Map([['web', 'digest']]), addresses })
  for (let count = 0; count < 20_001; count++) memory.noteEpoch('', 6)
  await memory.flush(content)
  expect(await journal.read()).toHaveLength(6)
  memory.noteFlow('', flow(3))
  await memory.flush(content)
  const again = await reloaded(journal)
  expect(again.namespace('')).toEqual({ epoch: 6, liveFlows: [...liveFlows, flow(3)] })
})

describe('a journal that fails', () => {
  it('is heard of, and the next lines are tried again', async () => {
    const errors: unknown[] = []
    const inner = inMemoryFlowJournal()
    let isBroken = true
    const journal: FlowJournal = {
      ...inner,
      append: lines => (isBroken ? Promise.reject(new Error('full')) : inner.append(lines)),
    }
    const memory = new FlowMemory(journal, error => void errors.push(error))
    await memory.load()
    memory.noteEpoch('', 1)
    await memory.flush(() => NOTHING)
    isBroken = false
    memory.noteEpoch('', 2)
    await memory.flush(() => NOTHING)
    expect(errors).toEqual([new Error('full')])
    expect(await inner.read()).toEqual(['{"ns":"","epoch":2}'])
  })
})
