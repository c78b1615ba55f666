import fc from 'fast-check'
import { expect, it } from 'vitest'
import { editDistance, nearestTag } from './nearest-selector.js'
import { parsePolicy } from './parse-policy.js'

/** By its definition. */
function naiveDistance(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length
  const [restA, restB] = [a.slice(1), b.slice(1)]
  const ways = [
    naiveDistance(restA, restB) + (a[0] === b[0] ? 0 : 1),
    naiveDistance(restA, b) + 1,
    naiveDistance(a, restB) + 1,
  ]
  if (a.length > 1 && b.length > 1 && a[0] === b[1] && a[1] === b[0]) {
    ways.push(naiveDistance(a.slice(2), b.slice(2)) + 1)
  }
  return Math.min(...ways)
}

it('the distance is that of the definition, as far as two', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 5 })
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(editDistance(a, b)).toBe(Math.min(naiveDistance(a, b), 3))
    }),
    { numRuns: 500 },
  )
  expect(editDistance('app=wbe', 'app=web')).toBe(1)
  expect(editDistance('a'.repeat(1_000), 'a'.repeat(1_000))).toBe(3)
})

it('a long policy and many tags are looked at in part', () => {
  const rule = (_: unknown, index: number) =>
    `{ name: r${index}, to: { app: w${index} }, from: {}, action: allow }`
  const document = parsePolicy(`rules: [${Array.from({ length: 6_000 }, rule)}]`, 'p')
  const tags = Array.from({ length: 10_000 }, (_, index) => ({ key: `key${index}`, value: 'value' }))
  expect(nearestTag(document, tags)).toBeUndefined()
  expect(nearestTag(document, [{ key: 'app', value: 'v9' }])).toMatchObject({
    selected: 'app=w9',
    distance: 1,
  })
})
