import fc from 'fast-check'
import { expect, it } from 'vitest'
import { TwoGenerationMap } from './two-generation-map.js'

it('holds at most its capacity and at least the latest half of it', () => {
  const operations = fc.array(fc.tuple(fc.constantFrom('get', 'set'), fc.integer({ min: 0, max: 40 })), {
    maxLength: 300,
  })
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 20 }), operations, (capacity, list) => {
      const map = new TwoGenerationMap<number, string>(capacity)
      let touched: number[] = []
      for (const [operation, key] of list) {
        if (operation === 'set') map.set(key, `value of ${key}`)
        const isThere = map.get(key) !== undefined
        expect(isThere || operation === 'get').toBe(true)
        if (isThere) touched = [...touched.filter(other => other !== key), key]
        expect(map.size).toBeLessThanOrEqual(capacity)
      }
      // Eldest first: looking makes young, and the order stays as it is.
      for (const recent of touched.slice(-Math.floor(capacity / 2)))
        expect(map.get(recent)).toBe(`value of ${recent}`)
    }),
  )
})

it('forgets what was neither set nor found while a generation filled', () => {
  const map = new TwoGenerationMap<number, number>(4)
  for (let key = 0; key < 5; key++) map.set(key, key)
  expect(map.get(0)).toBeUndefined()
  expect(map.get(4)).toBe(4)
})

it('keeps what is found again and again, whatever else passes through', () => {
  const map = new TwoGenerationMap<string, number>(8)
  map.set('kept', 1)
  for (let key = 0; key < 1000; key++) {
    map.set(String(key), key)
    expect(map.get('kept')).toBe(1)
    expect(map.size).toBeLessThanOrEqual(8)
  }
})

it('deletes from both generations, and clears', () => {
  const map = new TwoGenerationMap<string, number>(2)
  map.set('old', 1)
  map.set('young', 2)
  map.delete('old')
  map.delete('young')
  expect([map.get('old'), map.get('young')]).toEqual([undefined, undefined])
  map.set('again', 3)
  map.clear()
  expect(map.size).toBe(0)
})

it('takes a capacity of 0 for one entry a generation', () => {
  const map = new TwoGenerationMap<string, number>(0)
  map.set('a', 1)
  expect(map.get('a')).toBe(1)
})
