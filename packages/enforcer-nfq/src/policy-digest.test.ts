import { testPolicy, testRuntime } from '@trireme/core/testing'
import { expect, it } from 'vitest'
import { closesOpenPort, policyDigest } from './policy-digest.js'

const CLOSED = [{ first: 9001, last: 9001 }]

/** What core makes of the policy of a PU that is found listening where it has not said so. */
function denial() {
  const deny = {
    name: 'closed port',
    networks: ['0.0.0.0/0', '::/0'],
    ports: CLOSED,
    action: 'reject',
  } as const
  const clauses = [{ key: '@sys:port', operator: '=', values: ['9001'] }] as const
  return {
    receiverRules: [{ name: 'closed port', action: 'reject', clauses }] as const,
    networkACLs: [
      { ...deny, protocol: 'tcp' },
      { ...deny, protocol: 'udp' },
    ] as const,
  }
}

it('a listener that comes or goes at a closed port costs no epoch', () => {
  const policy = testPolicy()
  const { receiverRules, networkACLs } = denial()
  const closed = {
    ...policy,
    receiverRules: [...receiverRules, ...policy.receiverRules],
    networkACLs: [...networkACLs, ...policy.networkACLs],
  }
  const runtime = testRuntime()
  expect(policyDigest({ policy: closed, runtime: { ...runtime, closedPorts: CLOSED } })).toBe(
    policyDigest({ policy, runtime }),
  )
  // The same rules as the user's own count.
  expect(policyDigest({ policy: closed, runtime })).not.toBe(policyDigest({ policy, runtime }))
})

it('a port that was open and is closed now revokes', () => {
  const ports = [{ first: 9000, last: 9010 }]
  const open = { ...testRuntime(), ports }
  const closed = { ...open, closedPorts: CLOSED }
  expect(closesOpenPort(open, closed)).toBe(true)
  expect(closesOpenPort(closed, closed)).toBe(false)
  expect(closesOpenPort({ ...open, ports: [] }, closed)).toBe(false)
  expect(closesOpenPort(undefined, closed)).toBe(false)
})
