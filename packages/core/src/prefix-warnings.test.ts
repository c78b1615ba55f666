import { expect, it } from 'vitest'
import { DENY_ALL, type KeyValueOperator, type TagSelector } from './policy.js'
import { prefixWarnings } from './prefix-warnings.js'

const rule = (name: string, ...clauses: KeyValueOperator[]): TagSelector => ({
  name,
  clauses,
  action: 'accept',
})
const web: KeyValueOperator = { key: 'app', operator: '=', values: ['web*', 'api'] }

it('names the rules that a prefix decides, and the prefixes', () => {
  const policy = {
    ...DENY_ALL,
    receiverRules: [
      rule('by-prefix', web, { key: 'env', operator: '=!', values: ['test-*'] }),
      rule('exact', { key: 'app', operator: '=', values: ['api'] }),
      rule('any', { key: 'app', operator: '=', values: ['*'] }),
      rule('exists', { key: 'app', operator: '*', values: ['x*'] }),
      rule('by-port', { key: '@sys:port', operator: '=', values: ['8000-8099'] }),
    ],
    transmitterRules: [rule('out', web)],
  }
  expect(prefixWarnings(policy, 'mutual')).toEqual([
    expect.stringContaining('rule by-prefix: app=web*, env=test-*:'),
    expect.stringContaining('rule out: app=web*:'),
  ])
  const texts = (differences: Partial<TagSelector>) =>
    prefixWarnings({ ...DENY_ALL, receiverRules: [{ ...rule('r', web), ...differences }] }, 'mutual')
  expect(texts({})).toEqual([expect.stringContaining('matches no prefix and is not accepted by this rule')])
  expect(texts({ action: 'reject' })).toEqual([expect.stringContaining('counts as matching and is denied')])
  expect(texts({ action: 'reject', mode: 'observe' })).toEqual([expect.stringContaining('passes, observed')])
  expect(prefixWarnings(policy, 'receiver')).toEqual([expect.stringContaining('rule by-prefix')])
  expect(prefixWarnings(DENY_ALL, 'mutual')).toEqual([])
})
