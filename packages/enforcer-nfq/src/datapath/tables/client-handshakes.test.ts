import { expect, it } from 'vitest'
import type { ClientFlow } from '../flow.js'
import { ClientHandshakes } from './client-handshakes.js'
import { answerOf, clientFlow, keyOf, peerOf } from './handshakes.fixture.js'
import { tupleOf } from './tuple-hash.js'

const of = (contextID: string, address: number, number: number) =>
  clientFlow({ pu: { contextID } as ClientFlow['pu'], key: keyOf(address, number) })

const verified = (key: string) =>
  clientFlow({ key, answer: answerOf(5), peer: peerOf('x'), clientMAC: new Uint8Array(32).fill(4) })

it('a full table refuses the newest of the PU that has most, and makes room for the others', () => {
  const displaced: ClientFlow[] = []
  const table = new ClientHandshakes(flow => displaced.push(flow))
  for (let number = 0; number < 32_768; number++) expect(table.add(of('loud', 1, number), 0)).toBe(true)
  expect(table.add(of('loud', 1, 40_000), 0)).toBe(false)
  for (let number = 0; number < 10; number++) expect(table.add(of('quiet', 2, number), 0)).toBe(true)
  expect(table.size).toBe(32_768)
  expect(displaced.map(({ pu }) => pu.contextID)).toEqual(Array(10).fill('loud'))
  expect(table.find(tupleOf(keyOf(1, 0)))).toBeDefined()
  expect(table.find(tupleOf(keyOf(1, 32_767)))).toBeUndefined()
})

it('one whose MAC_c has left takes no place, and is found until its tuple is used again', () => {
  const table = new ClientHandshakes(() => {})
  for (let number = 0; number < 70_000; number++) {
    const flow = verified(keyOf(1, number))
    expect(table.add(flow, 0)).toBe(true)
    table.release(flow, 0)
  }
  expect([table.size, table.finished]).toEqual([0, 65_536])
  const [first, last] = [tupleOf(keyOf(1, 0)).slice(), tupleOf(keyOf(1, 69_999)).slice()]
  expect([table.find(last), table.released(first)]).toEqual([undefined, undefined])
  expect(table.released(last)).toMatchObject({ isn: 1, answerISN: 5, sentUpTo: 7, sharesEntry: false })
  expect(table.released(last)?.clientMAC).toEqual(new Uint8Array(32).fill(4))
  table.add(clientFlow({ key: keyOf(1, 69_999), isn: 2 }), 0)
  expect([table.find(last)?.isn, table.released(last)]).toEqual([2, undefined])
})

it('what was idle for longer than 64 s is forgotten, and what is a removed PU’s', () => {
  const table = new ClientHandshakes(() => {})
  for (const number of [1, 2]) table.add(clientFlow({ key: keyOf(1, number) }), 0)
  table.add(of('other', 1, 3), 0)
  const done = verified(keyOf(1, 4))
  table.add(done, 0)
  table.release(done, 0)
  table.sweep(10_000)
  table.find(tupleOf(keyOf(1, 2)))!.lastSeenMs = 40_000
  table.sweep(64_000)
  expect([table.size, table.finished]).toEqual([3, 1])
  table.sweep(66_000)
  expect([table.size, table.finished]).toEqual([1, 0])
  table.removePU('other')
  expect(table.size).toBe(1)
  table.removePU('pu')
  expect(table.size).toBe(0)
})
