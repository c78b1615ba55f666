import { parseTag } from '@trireme/core'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { indexOf } from './document-index.js'
import { parsePolicy } from './parse-policy.js'

const selector = fc.dictionary(
  fc.constantFrom('app', 'env'),
  fc.constantFrom<unknown>(
    'web',
    'we*',
    ['db', 'web'],
    { not: 'db' },
    { exists: 'true' },
    { exists: 'false' },
  ),
)
const selectors = fc.array(selector, { minLength: 1, maxLength: 2 })
const ruleOf = fc.record({ to: selectors, from: selectors })
const identity = fc.uniqueArray(fc.constantFrom('app=web', 'app=db', 'app=x', 'env=web', 'env=db'))

function parse(rules: readonly object[]) {
  const named = rules.map((rule, index) => ({ name: `r${index}`, action: 'allow', ...rule }))
  return parsePolicy(JSON.stringify({ rules: named }), 'p')
}

it('gives a PU of many rules what each of them alone would give it, in their order', () => {
  fc.assert(
    fc.property(fc.array(ruleOf, { maxLength: 6 }), identity, (rules, texts) => {
      const tags = [...texts, '@sys:issuer=host-a'].map(parseTag)
      const document = parse(distinct(rules))
      for (const list of ['receiverRules', 'transmitterRules'] as const) {
        const alone = document.rules.flatMap(rule => indexOf({ ...document, rules: [rule] })[list](tags))
        expect(indexOf(document)[list](tags)).toEqual(alone)
      }
    }),
    { numRuns: 1_000 },
  )
})

/** A list must not hold a selector twice. */
function distinct(rules: readonly { to: readonly object[]; from: readonly object[] }[]) {
  const once = (items: readonly object[]) => [
    ...new Map(items.map(item => [JSON.stringify(item), item])).values(),
  ]
  return rules.map(({ to, from }) => ({ to: once(to), from: once(from) }))
}

it('PUs share the rules that they have in common', () => {
  const index = indexOf(parse([{ to: [{}], from: [{ app: 'web' }] }]))
  const of = (text: string) => index.receiverRules([parseTag(text)])[0]
  expect(of('app=a')).toBe(of('app=b'))
})

it('a PU costs the rules that select it, not all of them', () => {
  const rules = Array.from({ length: 10_000 }, (_, index) => ({ to: [{ app: `w${index}` }], from: [{}] }))
  const index = indexOf(parse(rules))
  index.receiverRules([parseTag('app=w0')])
  const began = performance.now()
  for (let pu = 0; pu < 10_000; pu += 1) expect(index.receiverRules([parseTag(`app=w${pu}`)])).toHaveLength(1)
  // All rules for each PU would be a hundred million looks.
  expect(performance.now() - began).toBeLessThan(5_000)
})
