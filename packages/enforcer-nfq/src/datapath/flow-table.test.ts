import { describe, expect, it } from 'vitest'
import type { ClientFlow, ServerFlow } from './flow.js'
import { FlowTable } from './flow-table.js'

function server(differences: Partial<ServerFlow> = {}): ServerFlow {
  const flow = {
    pu: { contextID: 'pu' },
    key: 'tuple',
    id: 'id',
    isn: 1,
    stage: 'syn-received',
    lastSeenMs: 0,
  }
  return { ...flow, ...differences } as ServerFlow
}

function client(differences: Partial<ClientFlow> = {}): ClientFlow {
  const flow = { pu: { contextID: 'pu' }, key: 'tuple', id: 'id', isn: 1, stage: 'syn-sent', lastSeenMs: 0 }
  return { ...flow, ...differences } as ClientFlow
}

describe('candidates of a tuple', () => {
  it('are two at most, the eldest goes, an authorized one is none', () => {
    const table = new FlowTable()
    const authorized = server({ isn: 0, stage: 'auth' })
    const flows = [1, 2, 3, 4].map(isn => server({ isn, id: `id ${isn}` }))
    for (const flow of [authorized, ...flows]) table.addServer(flow)
    expect(table.servers('tuple').map(flow => flow.isn)).toEqual([0, 3, 4])
    table.demote('tuple', 0)
    expect(table.servers('tuple').map(flow => flow.isn)).toEqual([3, 4])
    table.settle(flows[3]!)
    expect(table.servers('tuple').map(flow => flow.isn)).toEqual([4])
  })

  it('are as old as their last SYN', () => {
    const table = new FlowTable()
    const flows = [1, 2].map(isn => server({ isn }))
    for (const flow of flows) table.addServer(flow)
    table.rejuvenate(flows[0]!)
    expect(table.servers('tuple').map(flow => flow.isn)).toEqual([2, 1])
  })
})

describe('half-open connections', () => {
  const of = (source: string, number: number, differences: Partial<ServerFlow> = {}) =>
    server({ key: `${source.padEnd(16)} ${number}`, ...differences })

  it('of one source are a sixteenth of all at most: its own eldest goes', () => {
    const table = new FlowTable()
    table.addServer(of('quiet', 0))
    for (let number = 0; number <= 4096; number++) table.addServer(of('loud', number))
    expect(table.size).toBe(4097)
    expect(table.servers(of('loud', 0).key)).toEqual([])
    expect(table.servers(of('quiet', 0).key)).toHaveLength(1)
  })

  it('of the fullest source give way, and no authorized one does', () => {
    const table = new FlowTable()
    const authorized = of('good', 1)
    table.addServer(authorized)
    authorized.stage = 'auth'
    table.settle(authorized)
    table.addServer(of('good', 2))
    for (let source = 0; source < 17; source++)
      for (let number = 0; number < 4000; number++) table.addServer(of(`loud ${source}`, number))
    expect(table.size).toBe(65_536)
    expect(table.servers(authorized.key)).toHaveLength(1)
    expect(table.servers(of('good', 2).key)).toHaveLength(1)
  })

  it('are none where all is authorized: the eldest connection goes', () => {
    const table = new FlowTable()
    for (let number = 0; number <= 65_536; number++) table.addServer(of('any', number, { stage: 'auth' }))
    expect(table.size).toBe(65_536)
    expect(table.servers(of('any', 0).key)).toEqual([])
  })

  it('are counted no more when they are forgotten, in whatever way', () => {
    const table = new FlowTable()
    for (let round = 0; round < 3; round++) {
      for (let number = 0; number < 4096; number++) table.addServer(of('one', number, { lastSeenMs: round }))
      if (round === 0) table.sweep(64_001)
      else table.removePU('pu')
      expect(table.size).toBe(0)
    }
    table.addServer(of('one', 0))
    expect(table.servers(of('one', 0).key)).toHaveLength(1)
  })
})

it('clients of the PU that has most give way: one PU crowds out no other', () => {
  const table = new FlowTable()
  const of = (contextID: string, number: number) =>
    client({ pu: { contextID } as ClientFlow['pu'], key: `${contextID} ${number}` })
  for (let number = 0; number < 10; number++) table.addClient(of('quiet', number))
  for (let number = 0; number < 70_000; number++) table.addClient(of('loud', number))
  for (let number = 0; number < 10; number++) expect(table.client(`quiet ${number}`)).toBeDefined()
  expect(table.size).toBe(65_536)
  expect([table.client('loud 0'), table.client('loud 69999')]).toMatchObject([undefined, {}])
})

describe('what is forgotten', () => {
  it('what was idle for longer than 64 s', () => {
    const table = new FlowTable()
    table.addClient(client({ key: 'old', lastSeenMs: 0 }))
    table.addClient(client({ key: 'new', lastSeenMs: 1 }))
    table.addServer(server({ lastSeenMs: 0 }))
    table.sweep(64_000)
    expect(table.size).toBe(3)
    table.sweep(64_001)
    expect(table.size).toBe(1)
    expect(table.client('new')).toBeDefined()
  })

  it('what is a removed PU’s, and nothing else', () => {
    const table = new FlowTable()
    const other = { contextID: 'other' } as ServerFlow['pu']
    table.addClient(client())
    table.addServer(server())
    table.addServer(server({ pu: other, isn: 2 }))
    table.removePU('pu')
    expect(table.client('tuple')).toBeUndefined()
    expect(table.servers('tuple').map(flow => flow.isn)).toEqual([2])
  })

  it('the eldest, where there are too many', () => {
    const table = new FlowTable()
    for (let number = 0; number <= 65_536; number++) {
      table.addClient(client({ key: `tuple ${number}` }))
      table.addServer(server({ key: `tuple ${number}` }))
    }
    expect(table.size).toBe(2 * 65_536)
    expect([table.client('tuple 0'), table.servers('tuple 0')]).toEqual([undefined, []])
    expect(table.servers('tuple 65536')).toHaveLength(1)
  })
})
