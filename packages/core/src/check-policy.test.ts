import { expect, it } from 'vitest'
import { checkPolicy } from './check-policy.js'
import { DENY_ALL } from './policy.js'

it('passes what can be enforced, and names what cannot', () => {
  checkPolicy(DENY_ALL)
  checkPolicy({ ...DENY_ALL, action: 'allow-all' })
  expect(() => checkPolicy({ ...DENY_ALL, mode: 'off' as 'observe' })).toThrow(
    'policy: mode "off": expected enforce or observe',
  )
  expect(() => checkPolicy({ ...DENY_ALL, identity: [{ key: '$sys:port', value: '80' }] })).toThrow(
    'policy: identity tag $sys:port=80: expected a key that does not begin with @ or $',
  )
})
