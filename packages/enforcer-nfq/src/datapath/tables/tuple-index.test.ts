import fc from 'fast-check'
import { expect, it } from 'vitest'
import { TUPLE_WORDS, TupleHash, tupleOf } from './tuple-hash.js'
import { TupleIndex } from './tuple-index.js'

const tuple = (number: number) => new Uint32Array(TUPLE_WORDS).fill(number, 3, 5)

it('finds what was added and not removed, as a map does', () => {
  const step = fc.tuple(fc.constantFrom('add', 'remove', 'find'), fc.nat(300))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600 }), steps => {
      const index = new TupleIndex(256)
      const model = new Map<number, number>()
      for (const [action, number] of steps) {
        const slot = index.find(tuple(number))
        expect(slot).toBe(model.get(number) ?? -1)
        if (action === 'add' && slot === -1) {
          const added = index.add(tuple(number))
          if (model.size === 256) expect(added).toBe(-1)
          else model.set(number, added)
        }
        if (action === 'remove' && slot !== -1) {
          index.remove(slot)
          model.delete(number)
        }
        expect(index.size).toBe(model.size)
      }
      expect(new Set(model.values()).size).toBe(model.size)
    }),
  )
})

it('grows as it is needed, and slots keep their numbers', () => {
  const index = new TupleIndex(4096)
  expect(index.capacity).toBe(64)
  const slots = Array.from({ length: 4096 }, (_, number) => index.add(tuple(number)))
  expect(index.capacity).toBe(4096)
  expect(index.add(tuple(5000))).toBe(-1)
  for (const [number, slot] of slots.entries()) expect(index.find(tuple(number))).toBe(slot)
})

it('falls elsewhere under another key: nobody can choose tuples that collide', () => {
  const [one, other] = [new TupleHash(Buffer.alloc(8, 1)), new TupleHash(Buffer.alloc(8, 2))]
  const places = new Set(Array.from({ length: 1000 }, (_, number) => one.of(tuple(number)) % 65_536))
  expect(places.size).toBeGreaterThan(970)
  expect(one.of(tuple(1))).not.toBe(other.of(tuple(1)))
})

it('reads the words of a flow key', () => {
  const key = Buffer.from(Array.from({ length: 36 }, (_, index) => 200 + index)).toString('latin1')
  expect(Buffer.from(tupleOf(key).buffer).toString('latin1')).toBe(key)
})
