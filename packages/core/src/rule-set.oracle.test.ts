import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KeyValueOperator, TagSelector } from './policy.js'
import { compileRules } from './rule-set.js'
import {
  NAIVE_TIERS,
  type NaiveMatch,
  naiveClauseMatches,
  naiveFirst,
  naiveMatch,
  naiveValueMatches,
} from './rule-set.oracle.js'
import { PORT_TAG, type Tags } from './tags.js'

type Matcher = (rules: readonly TagSelector[], tags: Tags) => NaiveMatch | undefined

interface Case {
  readonly rules: readonly TagSelector[]
  /** Several identities against one rule set, so that a compiled rule set is not made for each. */
  readonly identities: readonly Tags[]
}

// Few keys and few values, each a prefix or a neighbour of another: collisions are the rule, not the exception.
const KEYS = ['app', 'env', 'tier']
const VALUES = ['', 'a', 'ab', 'abc', 'b', 'ba']
const LISTED = [...VALUES, ...VALUES, '*', 'a*', 'ab*', 'abc*', 'b*']
const PORTS = ['79', '80', '81', '443', '8080']
const LISTED_PORTS = ['80', '443', '8080', '79-80', '80-443', '81-8080', '*']

const plainClause: fc.Arbitrary<KeyValueOperator> = fc.record({
  key: fc.constantFrom(...KEYS),
  operator: fc.constantFrom('=', '=', '=!', '*', '!*'),
  values: fc.array(fc.constantFrom(...LISTED), { minLength: 1, maxLength: 3 }),
})
const portClause: fc.Arbitrary<KeyValueOperator> = fc.record({
  key: fc.constant(PORT_TAG),
  operator: fc.constantFrom('=', '=', '=!', '*', '!*'),
  values: fc.array(fc.constantFrom(...LISTED_PORTS), { minLength: 1, maxLength: 2 }),
})
const clause = fc.oneof({ arbitrary: plainClause, weight: 5 }, { arbitrary: portClause, weight: 1 })

const rules: fc.Arbitrary<readonly TagSelector[]> = fc
  .array(
    fc.record({
      clauses: fc.array(clause, { minLength: 1, maxLength: 3 }),
      action: fc.constantFrom('accept', 'accept', 'reject'),
      mode: fc.constantFrom('enforce', 'observe'),
    }),
    { maxLength: 6 },
  )
  .map(list => list.map((rule, index) => ({ name: `rule-${index}`, ...rule }) as TagSelector))

const plainTag = fc.record({ key: fc.constantFrom(...KEYS), value: fc.constantFrom(...VALUES) })
const portTag = fc.record({ key: fc.constant(PORT_TAG), value: fc.constantFrom(...PORTS) })
const identity: fc.Arbitrary<Tags> = fc
  .tuple(fc.array(plainTag, { maxLength: 5 }), fc.array(portTag, { maxLength: 1 }))
  .map(([plain, port]) => [...plain, ...port])

const cases: fc.Arbitrary<Case> = fc.record({
  rules,
  identities: fc.array(identity, { minLength: 4, maxLength: 4 }),
})

/** An input on which a matcher, by the name of its winner, differs from the oracle; `undefined` where none was found. */
function counterexample(matcherOf: (rules: readonly TagSelector[]) => (tags: Tags) => string | undefined) {
  const property = fc.property(cases, ({ rules, identities }) => {
    const match = matcherOf(rules)
    return identities.every(tags => match(tags) === naiveMatch(rules, tags)?.rule.name)
  })
  const result = fc.check(property, { numRuns: 4_000, seed: 20170801, endOnFailure: true })
  return result.failed ? fc.stringify(result.counterexample) : undefined
}

function naiveNearest(rules: readonly TagSelector[], tags: Tags) {
  return rules
    .filter(rule => rule.action === 'accept')
    .map(rule => ({ rule, missing: rule.clauses.filter(clause => !naiveClauseMatches(clause, tags)) }))
    .toSorted((a, b) => a.missing.length - b.missing.length)[0]
}

describe('compileRules', () => {
  it('agrees with the naive evaluator', () => {
    expect(
      counterexample(list => {
        const compiled = compileRules(list)
        return tags => compiled.match(tags)?.rule.name
      }),
    ).toBeUndefined()
  })

  it('finds the first reject rule that only observes', () => {
    const check = ({ rules, identities }: Case) => {
      const compiled = compileRules(rules)
      for (const tags of identities) {
        const expected = naiveFirst(NAIVE_TIERS[2], rules, tags)?.rule
        expect(compiled.matchObserved(tags)?.rule).toEqual(expected)
      }
    }
    fc.assert(fc.property(cases, check), { numRuns: 500 })
  })

  it('finds the accept rule that lacks least, and what it lacks', () => {
    const check = ({ rules, identities }: Case) => {
      const compiled = compileRules(rules)
      for (const tags of identities.filter(tags => naiveMatch(rules, tags) === undefined)) {
        const [found, expected] = [compiled.nearest(tags), naiveNearest(rules, tags)]
        expect(found?.rule).toEqual(expected?.rule)
        expect(new Set(found?.missing)).toEqual(new Set(expected?.missing))
      }
    }
    fc.assert(fc.property(cases, check), { numRuns: 500 })
  })

  it('changes neither the rules nor the tags', () => {
    const check = ({ rules, identities }: Case) => {
      const before = JSON.stringify([rules, identities])
      const compiled = compileRules(rules)
      for (const tags of identities) compiled.match(tags)
      return JSON.stringify([rules, identities]) === before
    }
    fc.assert(fc.property(cases, check), { numRuns: 300 })
  })
})

describe('naiveMatch', () => {
  const accept = (...clauses: KeyValueOperator[]): TagSelector => ({ name: 'r', clauses, action: 'accept' })
  const is = (key: string, ...values: string[]): KeyValueOperator => ({ key, operator: '=', values })
  const isNot = (key: string, ...values: string[]): KeyValueOperator => ({ key, operator: '=!', values })
  const exists = (key: string): KeyValueOperator => ({ key, operator: '*', values: [] })
  const isAbsent = (key: string): KeyValueOperator => ({ key, operator: '!*', values: [] })
  const tags = (...pairs: string[]): Tags =>
    pairs.map(pair => ({ key: pair.split('=')[0]!, value: pair.split('=')[1]! }))

  it.each<[string, TagSelector, Tags, boolean]>([
    ['one of several values', accept(is('app', 'web', 'db')), tags('app=db'), true],
    ['one of several carried values', accept(is('app', 'web')), tags('app=db', 'app=web'), true],
    [
      'two values of one clause are one clause',
      accept(is('app', 'web', 'db'), is('env', 'prod')),
      tags('app=web', 'app=db'),
      false,
    ],
    [
      'an exact value and a prefix are one clause',
      accept(is('app', 'web', 'w*'), is('env', 'prod')),
      tags('app=web'),
      false,
    ],
    ['a prefix', accept(is('app', 'we*')), tags('app=web'), true],
    ['a prefix is no infix', accept(is('app', 'eb*')), tags('app=web'), false],
    ['a star alone is any value', accept(is('app', '*')), tags('app='), true],
    ['a star needs the key', accept(is('app', '*')), tags('env=prod'), false],
    ['not equal, key absent', accept(isNot('env', 'demo')), tags('app=web'), true],
    ['not equal, a forbidden value', accept(isNot('env', 'demo', 'qa')), tags('env=demo', 'env=qa'), false],
    ['not equal, one forbidden of two', accept(isNot('env', 'demo')), tags('env=prod', 'env=demo'), false],
    ['not equal to a prefix', accept(isNot('env', 'de*')), tags('env=demo'), false],
    ['key exists', accept(exists('app')), tags('app='), true],
    ['two absent keys', accept(isAbsent('a'), isAbsent('b')), tags('app=web'), true],
    ['an absent key that is there', accept(isAbsent('app')), tags('app=web'), false],
    ['a port', accept(is(PORT_TAG, '80')), tags(`${PORT_TAG}=80`), true],
    ['a port is no prefix', accept(is(PORT_TAG, '80')), tags(`${PORT_TAG}=8080`), false],
    ['the last port of a range', accept(is(PORT_TAG, '80-443')), tags(`${PORT_TAG}=443`), true],
    ['a port beyond a range', accept(is(PORT_TAG, '80-443')), tags(`${PORT_TAG}=1000`), false],
    ['an empty value', accept(is('app', '')), tags('app='), true],
  ])('%s', (_what, rule, carried, applies) => {
    expect(naiveMatch([rule], carried)?.rule).toBe(applies ? rule : undefined)
  })

  it('lets a later reject rule win over an earlier accept rule, and the first of an action over the next', () => {
    const rule = (name: string, action: 'accept' | 'reject'): TagSelector => ({
      name,
      clauses: [exists('app')],
      action,
    })
    const list = [rule('a', 'accept'), rule('b', 'reject'), rule('c', 'reject')]
    expect(naiveMatch(list, tags('app=web'))).toEqual({ rule: list[1], index: 1 })
  })
})

const always = (matcher: Matcher) => (list: readonly TagSelector[]) => (tags: Tags) =>
  matcher(list, tags)?.rule.name

/** A rule set whose rules apply by `applies`; everything else as it should be. */
function withRuleTest(applies: (rule: TagSelector, tags: Tags, rules: readonly TagSelector[]) => boolean) {
  return always((list, tags) => {
    for (const isOfTier of NAIVE_TIERS) {
      const index = list.findIndex(rule => isOfTier(rule) && applies(rule, tags, list))
      if (index >= 0) return { rule: list[index]!, index }
    }
    return undefined
  })
}

const withClauseTest = (
  holds: (clause: KeyValueOperator, tags: Tags, rules: readonly TagSelector[]) => boolean,
) => withRuleTest((rule, tags, list) => rule.clauses.every(one => holds(one, tags, list)))

/** The shape of the counting algorithm: a rule applies when its hits reach the number of its clauses. */
const withHits = (hits: (clause: KeyValueOperator, tags: Tags, rules: readonly TagSelector[]) => number) =>
  withRuleTest(
    (rule, tags, list) =>
      rule.clauses.reduce((sum, one) => sum + hits(one, tags, list), 0) >= rule.clauses.length,
  )

const once = (clause: KeyValueOperator, tags: Tags) => (naiveClauseMatches(clause, tags) ? 1 : 0)
const carriedUnder = (clause: KeyValueOperator, tags: Tags) => tags.filter(tag => tag.key === clause.key)
const isPrefix = (listed: string) => listed.length > 1 && listed.endsWith('*')

/** A listed prefix is forgotten when a later rule lists another prefix of the same key. */
function forgetsOverwrittenPrefixes(clause: KeyValueOperator, tags: Tags, list: readonly TagSelector[]) {
  const prefixes = list.flatMap(rule =>
    rule.clauses.filter(other => other.key === clause.key).flatMap(other => other.values.filter(isPrefix)),
  )
  const values = clause.values.filter(value => !isPrefix(value) || value === prefixes.at(-1))
  return naiveClauseMatches({ ...clause, values }, tags)
}

function countsSharedKeyExistsTwice(clause: KeyValueOperator, tags: Tags, list: readonly TagSelector[]) {
  const sharers = list.filter(rule =>
    rule.clauses.some(other => other.operator === '*' && other.key === clause.key),
  )
  return once(clause, tags) * (clause.operator === '*' && sharers.length > 1 ? 2 : 1)
}

const isLoneAbsence = (rule: TagSelector) => rule.clauses.length === 1 && rule.clauses[0]!.operator === '!*'

const MUTANTS: Readonly<Record<string, ReturnType<typeof always>>> = {
  'counts a clause once per tag that hits it': withHits((clause, tags) =>
    clause.operator === '='
      ? carriedUnder(clause, tags).filter(tag => naiveClauseMatches(clause, [tag])).length
      : once(clause, tags),
  ),
  'counts a clause once per listed value that hits': withHits((clause, tags) =>
    clause.operator === '='
      ? clause.values.filter(value => naiveClauseMatches({ ...clause, values: [value] }, tags)).length
      : once(clause, tags),
  ),
  'counts key-exists twice where two rules share the key': withHits(countsSharedKeyExistsTwice),
  'overwrites an older prefix of the key': withClauseTest(forgetsOverwrittenPrefixes),
  'takes not-equal as some value differs': withClauseTest((clause, tags) =>
    clause.operator === '=!'
      ? carriedUnder(clause, tags).length === 0 ||
        carriedUnder(clause, tags).some(tag => naiveClauseMatches(clause, [tag]))
      : naiveClauseMatches(clause, tags),
  ),
  'forgets that not-equal matches an absent key': withClauseTest(
    (clause, tags) =>
      naiveClauseMatches(clause, tags) && (clause.operator !== '=!' || carriedUnder(clause, tags).length > 0),
  ),
  'keeps only the last rule that is one key-not-exists': withRuleTest(
    (rule, tags, list) =>
      (!isLoneAbsence(rule) || list.findLast(isLoneAbsence) === rule) &&
      rule.clauses.every(clause => naiveClauseMatches(clause, tags)),
  ),
  'never matches a rule of key-not-exists alone': withRuleTest(
    (rule, tags) =>
      rule.clauses.every(clause => naiveClauseMatches(clause, tags)) &&
      (rule.clauses.length < 2 || rule.clauses.some(clause => clause.operator !== '!*')),
  ),
  'matches on any clause': withRuleTest((rule, tags) =>
    rule.clauses.some(clause => naiveClauseMatches(clause, tags)),
  ),
  'takes key-exists for listed-value': withClauseTest((clause, tags) =>
    naiveClauseMatches(clause.operator === '*' ? { ...clause, operator: '=' } : clause, tags),
  ),
  'takes a prefix for its text': withClauseTest((clause, tags) =>
    naiveClauseMatches({ ...clause, values: clause.values.filter(value => !isPrefix(value)) }, tags),
  ),
  'takes a star alone for its text': withClauseTest((clause, tags) =>
    naiveClauseMatches({ ...clause, values: clause.values.filter(value => value !== '*') }, tags),
  ),
  'looks only at the first value of a key': withClauseTest((clause, tags) =>
    naiveClauseMatches(clause, carriedUnder(clause, tags).slice(0, 1)),
  ),
  'compares ports as text': withClauseTest((clause, tags) =>
    clause.key === PORT_TAG && clause.operator === '='
      ? carriedUnder(clause, tags).some(tag =>
          clause.values.some(listed => naiveValueMatches('text', listed, tag.value)),
        )
      : naiveClauseMatches(clause, tags),
  ),
  'ends a port range before its last port': withClauseTest((clause, tags) =>
    naiveClauseMatches(
      clause,
      tags.filter(tag => tag.key !== PORT_TAG || !clause.values.some(v => v.endsWith(`-${tag.value}`))),
    ),
  ),
  'accepts before it rejects': always(
    (list, tags) => naiveFirst(NAIVE_TIERS[1], list, tags) ?? naiveMatch(list, tags),
  ),
  'takes the first rule of either action': withRuleTest((rule, tags, list) => {
    const applies = (one: TagSelector) => one.clauses.every(clause => naiveClauseMatches(clause, tags))
    return list.find(applies) === rule
  }),
  'lets the last rule win': always((list, tags) => naiveMatch(list.toReversed(), tags)),
  'forgets reject rules': always((list, tags) => naiveFirst(NAIVE_TIERS[1], list, tags)),
  'observes before it accepts': always(
    (list, tags) =>
      naiveFirst(rule => rule.action === 'reject', list, tags) ?? naiveFirst(NAIVE_TIERS[1], list, tags),
  ),
}

describe('a defective rule set', () => {
  it.each(Object.entries(MUTANTS))('is found out: %s', (_what, mutant) => {
    expect(counterexample(mutant)).toBeDefined()
  })

  it('differs from a sound one built in the same way', () => {
    expect(counterexample(withClauseTest(naiveClauseMatches))).toBeUndefined()
    expect(counterexample(always(naiveMatch))).toBeUndefined()
  })
})
