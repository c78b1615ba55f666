import { describe, expect, it } from 'vitest'
import type { ServerFlow } from '../flow.js'
import { answerOf, keyOf, peerOf, serverFlow } from './handshakes.fixture.js'
import { ServerHandshakes } from './server-handshakes.js'
import { tupleOf } from './tuple-hash.js'

function scene() {
  const displaced: ServerFlow[] = []
  const table = new ServerHandshakes(flow => displaced.push(flow))
  const isns = (key = keyOf(1, 1)) => {
    const found: number[] = []
    for (let flow = table.find(tupleOf(key)); flow; flow = flow.older) found.push(flow.isn)
    return found
  }
  return { table, displaced, isns }
}

describe('candidates of a tuple', () => {
  it('are two at most, the oldest goes', () => {
    const { table, isns } = scene()
    for (const isn of [1, 2, 3]) table.add(serverFlow({ isn }), 0)
    expect(isns()).toEqual([3, 2])
    expect(table.size).toBe(2)
  })

  it('are as old as their last SYN', () => {
    const { table, isns } = scene()
    const flows = [1, 2].map(isn => serverFlow({ isn }))
    for (const flow of flows) table.add(flow, 0)
    table.rejuvenate(flows[0]!)
    expect(isns()).toEqual([1, 2])
  })

  it('all go when one is authorized, which takes no place any more, and is forgotten when the tuple is answered anew', () => {
    const { table, isns } = scene()
    const flows = [1, 2].map(isn => serverFlow({ isn, answer: answerOf(100 + isn) }))
    for (const flow of flows) table.add(flow, 0)
    table.authorize(flows[0]!, new Uint8Array(32).fill(9), 0)
    expect([isns(), table.size, table.finished]).toEqual([[], 0, 1])
    expect(table.authorized(tupleOf(keyOf(1, 1)))).toMatchObject({ isn: 1, answerISN: 101 })
    table.demote(tupleOf(keyOf(1, 1)), 500)
    expect(table.authorized(tupleOf(keyOf(1, 1)))).toBeUndefined()
  })

  it('keep an answer under another ISN of the kernel only for a reset', () => {
    const { table } = scene()
    const flow = serverFlow({ answer: answerOf(7) })
    table.add(flow, 0)
    table.demote(tupleOf(flow.key), 7)
    expect(flow.answer?.isn).toBe(7)
    table.demote(tupleOf(flow.key), 8)
    expect([flow.answer, flow.formerAnswer?.isn]).toEqual([undefined, 7])
  })
})

describe('a captured record, from addresses as they come', () => {
  const stolen = (number: number) =>
    serverFlow({ key: keyOf(number, 1), peer: peerOf('victim', 'record'), isn: number })

  it('displaces itself, and neither proven peers nor other issuers', () => {
    const { table, displaced } = scene()
    const proven = Array.from({ length: 300 }, (_, number) =>
      serverFlow({ key: keyOf(7, number), peer: peerOf('victim', 'record'), isProven: true }),
    )
    const stranger = serverFlow({ key: keyOf(8, 0), peer: peerOf('other') })
    for (const flow of [...proven, stranger]) table.add(flow, 0)
    for (let number = 0; number < 100_000; number++) table.add(stolen(1000 + number), 0)
    expect(table.size).toBe(4096 + 301)
    expect(displaced.every(({ isProven, peer }) => !isProven && peer.claims.issuer === 'victim')).toBe(true)
    for (const flow of [...proven, stranger]) expect(table.find(tupleOf(flow.key))).toBe(flow)
  })

  it('of many records of one issuer displaces that issuer alone', () => {
    const { table, displaced } = scene()
    const stranger = serverFlow({ key: keyOf(8, 0), peer: peerOf('other') })
    table.add(stranger, 0)
    for (let number = 0; number < 50_000; number++)
      table.add(serverFlow({ key: keyOf(number, 9), peer: peerOf('victim', `record ${number}`) }), 0)
    expect(table.size).toBe(8192 + 1)
    expect(displaced).not.toContain(stranger)
  })

  it('of many issuers leaves proven peers all of theirs', () => {
    const { table, displaced } = scene()
    const proven = serverFlow({ key: keyOf(7, 1), isProven: true })
    table.add(proven, 0)
    for (let number = 0; number < 100_000; number++)
      table.add(serverFlow({ key: keyOf(number, 9), peer: peerOf(`issuer ${number % 50}`, `${number}`) }), 0)
    expect(table.size).toBe(32_768 + 1)
    expect(displaced).not.toContain(proven)
  })
})

describe('a proven peer with too many handshakes', () => {
  const of = (address: number, number: number, lastSeenMs = 0) =>
    serverFlow({ key: keyOf(address, number), peer: peerOf(`${address}`), isProven: true, lastSeenMs })

  it('has its newest refused: those that are finishing finish', () => {
    const { table, displaced } = scene()
    for (let number = 0; number < 16_384; number++) expect(table.add(of(1, number), 0)).toBe(true)
    expect(table.add(of(1, 20_000), 999)).toBe(false)
    expect(table.add(of(2, 1), 999)).toBe(true)
    expect([displaced, table.size]).toEqual([[], 16_385])
    expect(table.find(tupleOf(keyOf(1, 20_000)))).toBeUndefined()
  })

  it('gives up what was not answered for a second', () => {
    const { table, displaced } = scene()
    for (let number = 0; number < 16_384; number++) table.add(of(1, number, number < 10 ? 0 : 500), 0)
    for (let number = 20_000; number < 20_010; number++)
      expect(table.add(of(1, number, 1000), 1000)).toBe(true)
    expect(table.add(of(1, 30_000, 1000), 1000)).toBe(false)
    expect(displaced).toHaveLength(10)
  })

  it('makes room for one that has few', () => {
    const { table, displaced } = scene()
    for (const address of [1, 2])
      for (let number = 0; number < 16_384; number++) table.add(of(address, number), 0)
    expect(table.add(of(3, 1), 0)).toBe(true)
    expect(table.size).toBe(32_768)
    expect(displaced.map(({ key }) => key)).toEqual([keyOf(1, 16_383)])
  })
})

describe('what is forgotten', () => {
  it('what was idle for longer than 64 s, and finished ones after 64 s', () => {
    const { table, isns } = scene()
    const flows = [1, 2, 3].map(number => serverFlow({ key: keyOf(number, 1), answer: answerOf(1) }))
    for (const flow of flows) table.add(flow, 0)
    table.authorize(flows[2]!, new Uint8Array(32), 0)
    table.sweep(30_000)
    flows[1]!.lastSeenMs = 50_000
    table.sweep(64_000)
    expect([table.size, table.finished]).toEqual([2, 1])
    table.sweep(66_000)
    expect([table.size, table.finished]).toEqual([1, 0])
    expect(isns(keyOf(2, 1))).toEqual([1])
    table.sweep(116_000)
    expect(table.size).toBe(0)
  })

  it('what is a removed PU’s, and nothing else', () => {
    const { table, isns } = scene()
    const pu = { contextID: 'other' } as ServerFlow['pu']
    table.add(serverFlow({ isn: 1 }), 0)
    table.add(serverFlow({ isn: 2, pu }), 0)
    const done = serverFlow({ key: keyOf(5, 5), answer: answerOf(1) })
    table.add(done, 0)
    table.authorize(done, new Uint8Array(32), 0)
    table.removePU('pu')
    expect([isns(), table.size, table.finished]).toEqual([[2], 1, 0])
  })
})

it('a hundred thousand finished handshakes crowd out none that is under way', () => {
  const { table, displaced } = scene()
  const underWay = serverFlow({ key: keyOf(9, 9) })
  table.add(underWay, 0)
  for (let number = 0; number < 100_000; number++) {
    const flow = serverFlow({ key: keyOf(1, number), answer: answerOf(1) })
    expect(table.add(flow, 0)).toBe(true)
    table.authorize(flow, new Uint8Array(32), 0)
  }
  expect([displaced, table.size, table.finished]).toEqual([[], 1, 65_536])
  expect(table.find(tupleOf(underWay.key))).toBe(underWay)
})
