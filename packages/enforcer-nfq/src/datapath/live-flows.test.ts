import { expect, it } from 'vitest'
import { type LiveFlow, LiveFlows } from './live-flows.js'

const byAddress: LiveFlow = {
  role: 'server',
  key: 'key',
  contextID: 'web',
  peer: undefined,
  addedAtMs: 0,
}
const byIdentity: LiveFlow = { ...byAddress, peer: { issuer: 'host-b', puID: 'frontend', tags: [] } }

it('the identity of an earlier connection of the tuple is not that of one which addresses let through', () => {
  const live = new LiveFlows()
  live.add(byIdentity)
  expect(live.find('server', 'key', 'acl')).toBeUndefined()
  expect(live.find('server', 'key', 'auth')).toBe(byIdentity)
  expect(live.find('client', 'key', 'auth')).toBeUndefined()
  live.add(byAddress)
  expect(live.find('server', 'key', 'acl')).toBe(byAddress)
})

it('of the PU that has most the eldest go, so that a change of policy finds what others have', () => {
  const live = new LiveFlows()
  for (let number = 0; number < 10; number++)
    live.add({ ...byIdentity, contextID: 'quiet', key: `quiet ${number}` })
  for (let number = 0; number < 132_000; number++) live.add({ ...byIdentity, key: `loud ${number}` })
  expect(live.size).toBe(131_072)
  expect(live.find('server', 'quiet 0', 'auth')).toBeDefined()
  expect(live.find('server', 'loud 0', 'auth')).toBeUndefined()
  live.removeWhere(({ contextID }) => contextID === 'web')
  expect(live.size).toBe(10)
})
