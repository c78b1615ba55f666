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
