import { expect, it } from 'vitest'
import { withClosedPorts, withoutClosedPorts } from './closed-ports.js'
import { decideIdentity } from './decide-identity.js'
import { DENY_ALL, type PUPolicy } from './policy.js'
import { compileRules } from './rule-set.js'
import { PORT_TAG } from './tags.js'

const OPEN: PUPolicy = {
  ...DENY_ALL,
  receiverRules: [{ name: 'all', action: 'accept', clauses: [{ key: 'app', operator: '*', values: [] }] }],
  networkACLs: [{ name: 'all', networks: ['0.0.0.0/0'], ports: [], protocol: 'tcp', action: 'accept' }],
}

it('denies an identity on a closed port, whatever else lets it in', () => {
  const rules = compileRules(
    withClosedPorts(OPEN, [
      { first: 81, last: 81 },
      { first: 90, last: 99 },
    ]).receiverRules,
  )
  const verdictAt = (port: string) => {
    const tags = [
      { key: 'app', value: 'x' },
      { key: PORT_TAG, value: port },
    ]
    return decideIdentity(rules, tags, 'enforce').verdict
  }
  expect(['80', '81', '82', '95'].map(verdictAt)).toEqual(['accept', 'reject', 'accept', 'reject'])
})

it('rejects peers without identity there first, over both protocols and families', () => {
  const ports = [{ first: 81, last: 81 }]
  const networks = ['0.0.0.0/0', '::/0']
  expect(withClosedPorts(OPEN, ports).networkACLs).toEqual([
    { name: 'closed port', networks, ports, protocol: 'tcp', action: 'reject' },
    { name: 'closed port', networks, ports, protocol: 'udp', action: 'reject' },
    ...OPEN.networkACLs,
  ])
})

it('changes nothing where no port is closed', () => {
  expect(withClosedPorts(OPEN)).toBe(OPEN)
  expect(withClosedPorts(OPEN, [])).toBe(OPEN)
})

it('is undone exactly, and only where it was done', () => {
  const ports = [{ first: 81, last: 81 }]
  expect(withoutClosedPorts(withClosedPorts(OPEN, ports), ports)).toEqual(OPEN)
  expect(withoutClosedPorts(OPEN, ports)).toBe(OPEN)
  expect(
    withoutClosedPorts(withClosedPorts(OPEN, ports), [{ first: 82, last: 82 }]).networkACLs,
  ).toHaveLength(3)
})
