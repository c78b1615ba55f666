import { describe, expect, it } from 'vitest'
import { decideIdentity, describeDenial } from './decide-identity.js'
import { peerTags } from './peer-tags.js'
import type { TagSelector } from './policy.js'
import { compileRules } from './rule-set.js'
import { PORT_TAG, parseTag, type Tags } from './tags.js'

const frontend: Tags = [parseTag('app=frontend')]
const batch: Tags = [parseTag('app=batch')]

function rule(name: string, differences: Partial<TagSelector>): TagSelector {
  const clauses: TagSelector['clauses'] = [{ key: 'app', operator: '=', values: ['frontend'] }]
  return { name, clauses, action: 'accept', ...differences }
}

const allow = rule('allow', {})
const deny = rule('deny', { action: 'reject' })
const watch = rule('watch', { action: 'reject', mode: 'observe' })

describe('decideIdentity', () => {
  it.each<[string, TagSelector[], Tags, 'enforce' | 'observe', string, string, boolean]>([
    ['an accept rule', [allow], frontend, 'enforce', 'accept', 'allow', false],
    ['an accept rule', [allow], frontend, 'observe', 'accept', 'allow', false],
    ['a reject rule', [allow, deny], frontend, 'enforce', 'reject', 'deny', false],
    ['a reject rule', [allow, deny], frontend, 'observe', 'accept', 'deny', true],
    ['an observed reject', [watch], frontend, 'enforce', 'accept', 'watch', true],
    ['an enforced reject behind it', [watch, deny, allow], frontend, 'enforce', 'reject', 'deny', false],
    ['an enforced reject behind it', [watch, deny, allow], frontend, 'observe', 'accept', 'deny', true],
    ['no rule', [], batch, 'enforce', 'reject', 'default deny', false],
    ['no rule', [], batch, 'observe', 'accept', 'default deny', true],
  ])('%s: %#', (_, rules, tags, mode, verdict, name, observed) => {
    expect(decideIdentity(compileRules(rules), tags, mode)).toEqual({ verdict, rule: name, observed })
  })

  it('reports what a rule accepts as accepted, and names the rule that would have denied it', () => {
    const accepted = { verdict: 'accept', rule: 'allow', observed: false, wouldReject: 'watch' }
    expect(decideIdentity(compileRules([watch, allow]), frontend, 'enforce')).toEqual(accepted)
    expect(decideIdentity(compileRules([watch, allow]), frontend, 'observe')).toEqual(accepted)
    expect(decideIdentity(compileRules([watch, allow]), batch, 'enforce').verdict).toBe('reject')
  })

  it('explains a denial by default with the nearest rule and what was lacking', () => {
    const both = rule('both', {
      clauses: [...allow.clauses, { key: 'env', operator: '=!', values: ['dev'] }],
    })
    const text = 'default deny (nearest rule both: lacks app=frontend, env!=dev)'
    expect(describeDenial(compileRules([both]), [parseTag('env=dev')])).toBe(text)
    expect(decideIdentity(compileRules([allow]), batch, 'enforce').rule).toBe(
      'default deny (nearest rule allow: lacks app=frontend)',
    )
  })
})

describe('peerTags', () => {
  it('are a copy: what was port 80 once is not port 80 on 22', () => {
    const claims = Object.freeze([parseTag('app=frontend')])
    const portRule = rule('port-80', { clauses: [{ key: PORT_TAG, operator: '=', values: ['80'] }] })
    const rules = compileRules([portRule])
    expect(rules.match(peerTags(claims, 'host-a', 80))?.rule.name).toBe('port-80')
    expect(rules.match(peerTags(claims, 'host-a', 22))).toBeUndefined()
    expect(claims).toEqual([{ key: 'app', value: 'frontend' }])
  })

  it('name the node that signed, and a port only where there is one', () => {
    expect(peerTags([], 'host-a', undefined)).toEqual([{ key: '@sys:issuer', value: 'host-a' }])
  })
})
