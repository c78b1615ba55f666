import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decideIdentity } from './decide-identity.js'
import { peerTags } from './peer-tags.js'
import type { EnforcementMode, KeyValueOperator, Operator, TagSelector } from './policy.js'
import { compileRules } from './rule-set.js'
import { naiveMatch } from './rule-set.oracle.js'
import { prefixClauses, shortenKey, shortenTag, shortenTags } from './short-tags.js'
import { ISSUER_TAG, PORT_TAG, parseTag, type Tags } from './tags.js'

const tags = (...texts: string[]): Tags => texts.map(parseTag)
const clause = (key: string, operator: Operator, ...values: string[]): KeyValueOperator => ({
  key,
  operator,
  values,
})
const rule = (action: TagSelector['action'], ...clauses: KeyValueOperator[]): TagSelector => ({
  name: `${action}-rule`,
  action,
  clauses,
})

/** The winner for the tags, and for the same tags shortened. */
function winners(rules: readonly TagSelector[], identity: Tags) {
  const compiled = compileRules(rules)
  const short = compiled.tagsOf({ tags: [], shortTags: shortenTags(identity) })
  return { full: compiled.match(identity)?.rule, short: compiled.match(short)?.rule }
}

describe('a shortened tag', () => {
  it('is the beginning of SHA-256 over the lengths and the texts', () => {
    const hash = (...parts: (string | number[])[]) =>
      Buffer.concat(parts.map(part => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))))
    const short = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex').slice(0, 20)
    expect(shortenKey('app')).toBe(short(hash([0, 0, 0, 3], 'app')))
    expect(shortenTag({ key: 'app', value: 'é' })).toBe(short(hash([0, 0, 0, 3], 'app', [0, 0, 0, 2], 'é')))
  })

  it('does not depend on where the key ends only', () => {
    expect(shortenTag({ key: 'a', value: 'b=c' })).not.toBe(shortenTag({ key: 'ab', value: '=c' }))
    expect(shortenTag({ key: 'a', value: '' })).not.toBe(shortenKey('a'))
  })
})

// As in the rule set's own test: collisions are the rule, not the exception.
const KEYS = ['app', 'env', 'tier']
const VALUES = ['', 'a', 'ab', 'abc', 'b']
const rulesListing = (listed: readonly string[]): fc.Arbitrary<readonly TagSelector[]> => {
  const one = fc.record({
    key: fc.constantFrom(...KEYS),
    operator: fc.constantFrom<Operator>('=', '=', '=!', '*', '!*'),
    values: fc.array(fc.constantFrom(...listed), { minLength: 1, maxLength: 3 }),
  })
  const clauses = fc.array(one, { minLength: 1, maxLength: 3 })
  const action = fc.constantFrom<TagSelector['action']>('accept', 'accept', 'reject')
  const mode = fc.constantFrom<EnforcementMode>('enforce', 'enforce', 'observe')
  return fc
    .array(fc.record({ clauses, action, mode }), { maxLength: 6 })
    .map(list => list.map((each, index) => ({ name: `rule-${index}`, ...each })))
}
const identity = fc.array(fc.record({ key: fc.constantFrom(...KEYS), value: fc.constantFrom(...VALUES) }), {
  maxLength: 5,
})

describe('rules over shortened tags', () => {
  it('decide as over the tags themselves where no rule lists a prefix', () => {
    const property = fc.property(rulesListing([...VALUES, '*']), identity, (rules, carried) => {
      const { full, short } = winners(rules, carried)
      expect(short).toEqual(full)
      expect(short).toEqual(naiveMatch(rules, carried)?.rule)
    })
    fc.assert(property, { numRuns: 2_000 })
  })

  it('accept nothing that the tags themselves would not be accepted for, whatever the rules list', () => {
    const listed = [...VALUES, '*', 'a*', 'ab*', 'b*']
    const property = fc.property(rulesListing(listed), identity, (rules, carried) => {
      const compiled = compileRules(rules)
      const short = compiled.tagsOf({ tags: [], shortTags: shortenTags(carried) })
      if (decideIdentity(compiled, short, 'enforce').verdict === 'reject') return
      expect(decideIdentity(compiled, carried, 'enforce').verdict).toBe('accept')
    })
    fc.assert(property, { numRuns: 4_000 })
  })

  it.each<[string, TagSelector, string, boolean]>([
    ['accept: a prefix does not hold', rule('accept', clause('app', '=', 'we*')), 'app=web', false],
    ['accept: not a prefix does not hold', rule('accept', clause('app', '=!', 'we*')), 'app=db', false],
    ['accept: not a prefix holds without the key', rule('accept', clause('app', '=!', 'we*')), 'x=1', true],
    ['accept: a value beside a prefix', rule('accept', clause('app', '=', 'db', 'we*')), 'app=db', true],
    ['reject: a prefix holds', rule('reject', clause('app', '=', 'we*')), 'app=db', true],
    ['reject: a prefix needs the key', rule('reject', clause('app', '=', 'we*')), 'env=web', false],
    ['reject: not a prefix holds', rule('reject', clause('app', '=!', 'we*')), 'app=web', true],
    [
      'observe: a prefix does not hold',
      { ...rule('reject', clause('app', '=', 'we*')), mode: 'observe' },
      'app=web',
      false,
    ],
    ['accept: the key exists', rule('accept', clause('app', '=', '*')), 'app=web', true],
  ])('%s', (_what, one, tag, applies) => {
    expect(winners([one], tags(tag)).short).toEqual(applies ? one : undefined)
  })

  it('know a key with one value for settled', () => {
    const rules = [rule('reject', clause('env', '=', 'dev*')), rule('accept', clause('env', '=', 'prod'))]
    expect(winners(rules, tags('env=prod')).short?.action).toBe('accept')
    expect(winners(rules, tags('env=prod', 'env=other')).short?.action).toBe('reject')
    expect(winners(rules, tags('env=staging')).short?.action).toBe('reject')
  })

  it('take reserved tags from the verifier alone', () => {
    const rules = compileRules([
      { name: 'port', action: 'accept', clauses: [clause(PORT_TAG, '=', '80'), clause(ISSUER_TAG, '*')] },
    ])
    const claimed = [
      { key: PORT_TAG, value: '80' },
      { key: ISSUER_TAG, value: 'host-b' },
    ]
    const seen = rules.tagsOf({ tags: [], shortTags: shortenTags(claimed) })
    expect(seen).toEqual([])
    expect(rules.match(peerTags(seen, 'host-a', 22))).toBeUndefined()
    expect(rules.match(peerTags(seen, 'host-a', 80))?.rule.name).toBe('port')
  })

  it('explain a denial', () => {
    const rules = compileRules([rule('accept', clause('app', '=', 'web'), clause('env', '=', 'prod'))])
    const seen = rules.tagsOf({ tags: [], shortTags: shortenTags(tags('app=web', 'env=dev')) })
    expect(decideIdentity(rules, seen, 'enforce').rule).toBe(
      'default deny (nearest rule accept-rule: lacks env=prod)',
    )
  })

  it('leave tags in full as they are', () => {
    const carried = tags('app=web')
    expect(compileRules([]).tagsOf({ tags: carried })).toBe(carried)
  })
})

it('prefixClauses names the clauses that shortened tags may leave open', () => {
  const open = [clause('app', '=', 'web', 'db*'), clause('env', '=!', 'dev*')]
  const known = [
    clause('app', '=', 'web*', '*'),
    clause('app', '*', 'ignored*'),
    clause(ISSUER_TAG, '=', 'host-*'),
    clause('app', '=', 'a*b'),
  ]
  expect(prefixClauses(rule('accept', ...open, ...known))).toEqual(open)
})
