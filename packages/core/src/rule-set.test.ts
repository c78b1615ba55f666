import { describe, expect, it } from 'vitest'
import type { KeyValueOperator, Operator, TagSelector } from './policy.js'
import { formatClause } from './rule-clause.js'
import { compileRules } from './rule-set.js'
import { PORT_TAG, parseTag, type Tags } from './tags.js'

const tags = (...texts: string[]): Tags => texts.map(parseTag)

function clause(key: string, operator: Operator, ...values: string[]): KeyValueOperator {
  return { key, operator, values }
}

function accept(name: string, ...clauses: KeyValueOperator[]): TagSelector {
  return { name, clauses, action: 'accept' }
}

function reject(name: string, ...clauses: KeyValueOperator[]): TagSelector {
  return { name, clauses, action: 'reject' }
}

function winner(rules: readonly TagSelector[], peer: Tags): string | undefined {
  return compileRules(rules).match(peer)?.rule.name
}

describe('a clause', () => {
  it.each<[KeyValueOperator, Tags, boolean]>([
    [clause('app', '=', 'web'), tags('app=web'), true],
    [clause('app', '=', 'web'), tags('app=webshop'), false],
    [clause('app', '=', 'web', 'db'), tags('app=db'), true],
    [clause('app', '=', 'web*'), tags('app=webshop'), true],
    [clause('app', '=', 'web*'), tags('app=web'), true],
    [clause('app', '=', 'web*'), tags('app=we'), false],
    [clause('app', '=', '*'), tags('app='), true],
    [clause('app', '=', '*'), tags('other=web'), false],
    [clause('app', '=', ''), tags('app='), true],
    [clause('app', '=', ''), tags('app=x'), false],
    [clause('app', '=', 'a*b'), tags('app=a*b'), true],
    [clause('app', '=', 'a*b'), tags('app=axb'), false],
    [clause('app', '=!', 'web'), tags('app=db'), true],
    [clause('app', '=!', 'web'), tags(), true],
    [clause('app', '=!', 'web*'), tags('app=webshop'), false],
    [clause('app', '=!', 'web'), tags('app=db', 'app=web'), false],
    [clause('app', '=!', '*'), tags('app=db'), false],
    [clause('app', '=!', '*'), tags('env=prod'), true],
    [clause('app', '*'), tags('app=db'), true],
    [clause('app', '*'), tags('env=prod'), false],
    [clause('app', '!*'), tags('app=db'), false],
    [clause('app', '!*'), tags('env=prod'), true],
    [clause('app', '!*', 'ignored'), tags('app=db'), false],
    [clause(PORT_TAG, '=', '8080'), tags('@sys:port=8080'), true],
    [clause(PORT_TAG, '=', '8080'), tags('@sys:port=808'), false],
    [clause(PORT_TAG, '=', '8000-8099'), tags('@sys:port=8000'), true],
    [clause(PORT_TAG, '=', '8000-8099'), tags('@sys:port=8099'), true],
    [clause(PORT_TAG, '=', '8000-8099'), tags('@sys:port=8100'), false],
    [clause(PORT_TAG, '=', '8000-8099'), tags('@sys:port=none'), false],
    [clause(PORT_TAG, '=!', '1-1023'), tags('@sys:port=22'), false],
    [clause(PORT_TAG, '=!', '1-1023'), tags('@sys:port=8080'), true],
    [clause(PORT_TAG, '=', '*'), tags('@sys:port=22'), true],
    [clause('port', '=', '8000-8099'), tags('port=8001'), false],
  ])('%j on %j: %s', (condition, peer, expected) => {
    expect(winner([accept('r', condition)], peer) === 'r').toBe(expected)
  })
})

describe('clauses are counted separately', () => {
  const appAndEnv = [accept('r', clause('app', '=', 'web', 'db'), clause('env', '=', 'prod'))]

  it('two values of one clause do not stand in for the other clause', () => {
    expect(winner(appAndEnv, tags('app=web', 'app=db'))).toBeUndefined()
    expect(winner(appAndEnv, tags('app=web', 'app=web'))).toBeUndefined()
    expect(winner(appAndEnv, tags('app=web', 'env=prod'))).toBe('r')
  })

  it('a value that is listed both exactly and by prefix counts once', () => {
    const rules = [accept('r', clause('app', '=', 'web', 'we*', 'w*', '*'), clause('env', '*'))]
    expect(winner(rules, tags('app=web'))).toBeUndefined()
    expect(winner(rules, tags('app=web', 'env='))).toBe('r')
  })

  it('"key exists" counts once, also beside other rules on the same key', () => {
    const rules = [
      accept('a', clause('app', '*'), clause('env', '*')),
      accept('b', clause('app', '*'), clause('team', '*')),
    ]
    expect(winner(rules, tags('app=web', 'app=db'))).toBeUndefined()
    expect(winner(rules, tags('app=web', 'team=x'))).toBe('b')
  })

  it('equal clauses count apart, so that a rule that repeats itself still matches', () => {
    const rules = [accept('r', clause('app', '=', 'web'), clause('app', '=', 'web'), clause('app', '*'))]
    expect(winner(rules, tags('app=web'))).toBe('r')
  })

  it('overlapping port values count once', () => {
    const rules = [accept('r', clause(PORT_TAG, '=', '80', '1-100', '50-90', '*'), clause('app', '=', 'web'))]
    expect(winner(rules, tags('@sys:port=80'))).toBeUndefined()
    expect(winner(rules, tags('@sys:port=80', 'app=web'))).toBe('r')
  })
})

describe('prefixes and negations of several rules', () => {
  it('a later prefix does not displace an earlier one, whatever their lengths', () => {
    const rules = ['frontend-*', 'f*', 'front*', 'x*'].map(value => accept(value, clause('app', '=', value)))
    expect(winner(rules, tags('app=frontend-1'))).toBe('frontend-*')
    expect(winner(rules, tags('app=frontier'))).toBe('f*')
    expect(winner(rules, tags('app=x'))).toBe('x*')
  })

  it('any number of rules may consist of negations alone', () => {
    const rules = [
      accept('a', clause('app', '!*'), clause('env', '!*')),
      accept('b', clause('app', '!*')),
      accept('c', clause('env', '=!', 'demo', 'qa')),
    ]
    expect(winner(rules, tags())).toBe('a')
    expect(winner(rules, tags('env=demo'))).toBe('b')
    expect(winner(rules, tags('app=web', 'env=demo', 'env=qa'))).toBeUndefined()
    expect(winner(rules, tags('app=web', 'env=prod'))).toBe('c')
  })
})

describe('the winner', () => {
  const web = clause('app', '=', 'web')

  it('is a reject rule before any accept rule', () => {
    expect(winner([accept('a', web), reject('r', clause('app', '*'))], tags('app=web'))).toBe('r')
  })

  it('is the first of its action, whatever the order of the tags', () => {
    const rules = [accept('a', clause('env', '=', 'prod')), accept('b', web), accept('c', clause('x', '!*'))]
    expect(winner(rules, tags('app=web', 'env=prod'))).toBe('a')
    expect(winner(rules, tags('env=prod', 'app=web'))).toBe('a')
    expect(winner(rules, tags('app=web'))).toBe('b')
    expect(winner(rules, tags())).toBe('c')
  })

  it('is found again and again: look-ups leave nothing behind', () => {
    const ruleSet = compileRules([
      accept('a', web, clause('env', '*')),
      reject('r', clause('env', '=', 'dev')),
    ])
    for (let round = 0; round < 3; round += 1) {
      expect(ruleSet.match(tags('app=web'))).toBeUndefined()
      expect(ruleSet.match(tags('env=prod'))).toBeUndefined()
      expect(ruleSet.match(tags('app=web', 'env=prod'))?.rule.name).toBe('a')
      expect(ruleSet.match(tags('app=web', 'env=dev'))?.rule.name).toBe('r')
    }
  })

  it('is nobody in an empty set', () => {
    expect(winner([], tags('app=web'))).toBeUndefined()
  })

  it('may observe: its mode is the caller’s business', () => {
    const rule: TagSelector = { ...reject('r', web), mode: 'observe' }
    expect(compileRules([rule]).match(tags('app=web'))).toEqual({ rule })
    expect(compileRules([rule]).matchObserved(tags('app=web'))).toEqual({ rule })
    expect(compileRules([reject('r', web)]).matchObserved(tags('app=web'))).toBeUndefined()
  })
})

describe('the nearest rule', () => {
  it('lacks the fewest clauses, and is the first of equals', () => {
    const rules = compileRules([
      reject('never', clause('app', '=', 'x')),
      accept('far', clause('a', '*'), clause('b', '*')),
      accept('near', clause('app', '=', 'frontend'), clause('env', '=', 'prod'), clause('dev', '!*')),
      accept('equal', clause('app', '=', 'other')),
    ])
    const nearest = rules.nearest(tags('app=frontend', 'env=dev'))
    expect(nearest?.rule.name).toBe('near')
    expect(nearest?.missing.map(formatClause)).toEqual(['env=prod'])
    expect(rules.nearest(tags('app=frontend', 'dev=1'))?.rule.name).toBe('equal')
  })

  it('does not exist without accept rules', () => {
    expect(compileRules([reject('r', clause('app', '=', 'x'))]).nearest(tags())).toBeUndefined()
  })
})

describe('a look-up among 20,000 rules', () => {
  let looks = 0
  /** A clause that counts how often it is looked at. */
  const counted = (key: string, ...values: string[]): KeyValueOperator => ({
    operator: '=',
    values,
    get key() {
      looks += 1
      return key
    },
  })
  const names = Array.from({ length: 20_000 }, (_, index) => `w${index}`)
  const ruleSet = compileRules(
    names.map(name => accept(name, counted('env', 'prod'), counted(PORT_TAG, '80'), counted('app', name))),
  )
  const looksOf = (lookUp: () => void) => {
    looks = 0
    lookUp()
    return looks
  }

  it('looks at the rules alone that the rarest of their clauses brings up', () => {
    const carried = tags('env=prod', 'app=w19999', 'app=w7', '@sys:port=80')
    expect(ruleSet.match(carried)?.rule.name).toBe('w7')
    expect(looksOf(() => ruleSet.match(carried))).toBeLessThanOrEqual(6)
    expect(looksOf(() => ruleSet.match(tags('env=prod', '@sys:port=80')))).toBe(0)
  })

  it('explains a denial at a cost that does not grow with the rules', () => {
    expect(looksOf(() => ruleSet.nearest(tags('env=prod', '@sys:port=80')))).toBeLessThan(250)
    expect(ruleSet.nearest(tags('app=w15000', 'env=prod'))?.rule.name).toBe('w15000')
    expect(ruleSet.nearest(tags('env=prod', '@sys:port=80'))?.rule.name).toBe('w0')
  })

  it('shows of a rule with many values the first', () => {
    const [long] = [accept('long', clause('app', '=', ...names))]
    const text = formatClause(long.clauses[0]!)
    expect(text).toBe('app=w0|w1|w2|w3|w4|w5|w6|w7|… (19992 more)')
  })
})

describe('compileRules refuses', () => {
  it.each<[string, TagSelector, RegExp]>([
    ['no clauses', accept('r'), /rule "r": no clauses/],
    ['no values of =', accept('r', clause('app', '=')), /rule "r": clause on key app: .*operator =/],
    ['no values of =!', accept('r', clause('app', '=!')), /operator =!/],
    ['a port that is none', accept('r', clause(PORT_TAG, '=', '65536')), /value "65536" of key @sys:port/],
    ['a port with a leading zero', accept('r', clause(PORT_TAG, '=', '080')), /expected a port/],
    ['a prefix of a port', accept('r', clause(PORT_TAG, '=!', '80*')), /expected a port/],
    ['a range backwards', accept('r', clause(PORT_TAG, '=', '90-80')), /expected a port/],
    ['a range of three', accept('r', clause(PORT_TAG, '=', '1-2-3')), /expected a port/],
    ['an operator of no meaning', accept('r', clause('app', '==' as Operator, 'x')), /operator "=="/],
    ['an action of no meaning', { ...accept('r'), action: 'deny' as 'reject' }, /action "deny"/],
    ['a mode of no meaning', { ...accept('r'), mode: 'off' as 'observe' }, /mode "off"/],
  ])('%s', (_, rule, message) => {
    expect(() => compileRules([rule])).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY', message: expect.stringMatching(message) }),
    )
  })
})

it.each<[KeyValueOperator, string]>([
  [clause('app', '=', 'web', 'db'), 'app=web|db'],
  [clause('app', '=!', 'web*'), 'app!=web*'],
  [clause('app', '*'), 'app=*'],
  [clause('app', '!*'), 'app!=*'],
])('a clause reads well: %j', (condition, text) => {
  expect(formatClause(condition)).toBe(text)
})
