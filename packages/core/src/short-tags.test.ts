import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decideIdentity } from './decide-identity.js'
import { peerTags } from './peer-tags.js'
import type { EnforcementMode, KeyValueOperator, Operator, TagSelector } from './policy.js'
import { compileRules, type RuleSet } from './rule-set.js'
import { NAIVE_TIERS, naiveApplies, naiveMatch } from './rule-set.oracle.js'
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

const LISTED_PORTS = ['80', '443', '80-443', '*']
const portClause = fc.record({
  key: fc.constant(PORT_TAG),
  operator: fc.constantFrom<Operator>('=', '=', '=!'),
  values: fc.array(fc.constantFrom(...LISTED_PORTS), { minLength: 1, maxLength: 2 }),
})
/** With prefixes, some of them for some ports. */
const anyRules = fc
  .tuple(
    rulesListing([...VALUES, '*', 'a*', 'ab*', 'b*']),
    fc.array(fc.option(portClause, { nil: undefined }), { minLength: 6, maxLength: 6 }),
  )
  .map(([rules, portClauses]) =>
    rules.map((each, index): TagSelector => {
      const port = portClauses[index]
      return port ? { ...each, clauses: [...each.clauses, port] } : each
    }),
  )
const ports = fc.constantFrom(80, 100, 443, 8080)

/** What the rules see of an identity whose tags travelled shortened. */
function seen(rules: RuleSet, carried: Tags, port: number) {
  return peerTags(rules.tagsOf({ tags: [], shortTags: shortenTags(carried) }), 'host-a', port)
}

describe('rules over shortened tags', () => {
  it('decide as over the tags themselves where no rule lists a prefix', () => {
    const property = fc.property(rulesListing([...VALUES, '*']), identity, (rules, carried) => {
      const { full, short } = winners(rules, carried)
      expect(short).toEqual(full)
      expect(short).toEqual(naiveMatch(rules, carried)?.rule)
    })
    fc.assert(property, { numRuns: 2_000 })
  })

  it('decide as the naive evaluator does, whatever the rules list, observe and negate', () => {
    const property = fc.property(anyRules, ports, identity, (rules, port, carried) => {
      const compiled = compileRules(rules)
      const short = seen(compiled, carried, port)
      const full = peerTags(carried, 'host-a', port)
      expect(compiled.match(short)?.rule).toEqual(naiveMatch(rules, full, 'short')?.rule)
      expect(compiled.match(full)?.rule).toEqual(naiveMatch(rules, full)?.rule)
      expect(compiled.matchObserved(short)?.rule.name).toBe(
        rules.find(each => NAIVE_TIERS[2](each) && naiveApplies(each, full, 'short'))?.name,
      )
    })
    fc.assert(property, { numRuns: 6_000 })
  })

  it('match a rule whatever other rules there are', () => {
    const property = fc.property(anyRules, ports, identity, (rules, port, carried) => {
      const together = compileRules(rules)
      const tagsSeen = seen(together, carried, port)
      const alone = rules.filter(each => {
        const one = compileRules([each])
        return one.match(seen(one, carried, port)) !== undefined
      })
      const expected = NAIVE_TIERS.map(isOfTier => alone.find(isOfTier)).find(Boolean)
      expect(together.match(tagsSeen)?.rule).toEqual(expected)
    })
    fc.assert(property, { numRuns: 4_000 })
  })

  it('a rule for port 7001 that lists a value opens no prefix rule for port 7002', () => {
    const exact = rule('accept', clause('app', '=', 'web'), clause(PORT_TAG, '=', '7001'))
    const prefix = rule('accept', clause('app', '=', 'we*'), clause(PORT_TAG, '=', '7002'))
    const compiled = compileRules([exact, prefix])
    expect(compiled.match(seen(compiled, tags('app=web'), 7001))?.rule).toBe(exact)
    expect(compiled.match(seen(compiled, tags('app=web'), 7002))).toBeUndefined()
  })

  it('an observed reject rule by prefix lets pass what it would reject, and does not deny what is accepted', () => {
    const watch: TagSelector = {
      ...rule('reject', clause('app', '=', 'we*')),
      name: 'watch',
      mode: 'observe',
    }
    const allow = rule('accept', clause('env', '=', 'prod'))
    const compiled = compileRules([watch, allow])
    const decide = (...texts: string[]) =>
      decideIdentity(compiled, seen(compiled, tags(...texts), 80), 'enforce')
    expect(decide('app=web')).toEqual({ verdict: 'accept', rule: 'watch', observed: true })
    expect(decide('app=web', 'env=prod')).toEqual({
      verdict: 'accept',
      rule: 'accept-rule',
      observed: false,
      wouldReject: 'watch',
    })
    expect(decide('tier=a').verdict).toBe('reject')
  })

  it('accept nothing that the tags themselves would not be accepted for, but what a rule only observes', () => {
    const property = fc.property(anyRules, ports, identity, (rules, port, carried) => {
      const compiled = compileRules(rules)
      const short = decideIdentity(compiled, seen(compiled, carried, port), 'enforce')
      if (short.verdict === 'reject' || short.observed) return
      expect(decideIdentity(compiled, peerTags(carried, 'host-a', port), 'enforce').verdict).toBe('accept')
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
      'observe: a prefix holds, as it does enforced',
      { ...rule('reject', clause('app', '=', 'we*')), mode: 'observe' },
      'app=db',
      true,
    ],
    ['accept: the key exists', rule('accept', clause('app', '=', '*')), 'app=web', true],
  ])('%s', (_what, one, tag, applies) => {
    expect(winners([one], tags(tag)).short).toEqual(applies ? one : undefined)
  })

  it('leave a prefix open also where another rule lists the value', () => {
    const rules = [rule('reject', clause('env', '=', 'dev*')), rule('accept', clause('env', '=', 'prod'))]
    expect(winners(rules, tags('env=prod')).short?.action).toBe('reject')
    expect(winners(rules, tags('app=web')).short).toBeUndefined()
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
