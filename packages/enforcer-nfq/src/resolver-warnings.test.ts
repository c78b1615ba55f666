import type { IPRule, Networks, PUPolicy } from '@trireme/core'
import { testPolicy, testRuntime } from '@trireme/core/testing'
import { describe, expect, it } from 'vitest'
import { deniedNameServers, resolverWarnings } from './resolver-warnings.js'

const SERVERS = ['192.0.2.53', '2001:db8::53']
const NO_NETWORKS: Networks = { trireme: [], excluded: [] }

function denied(policy: Partial<PUPolicy>, networks = NO_NETWORKS) {
  return deniedNameServers(
    { contextID: 'web', runtime: testRuntime(), policy: testPolicy(policy) },
    networks,
    SERVERS,
  )
}

function allow(networks: readonly string[], rest: Partial<IPRule> = {}): PUPolicy['applicationACLs'] {
  return [{ name: 'dns', networks, ports: [], protocol: 'udp', action: 'accept', ...rest }]
}

describe('name servers that a policy denies', () => {
  it('are those to which no rule lets UDP to port 53 through', () => {
    expect(denied({})).toEqual(SERVERS)
    expect(denied({ applicationACLs: allow(['192.0.2.0/24']) })).toEqual(['2001:db8::53'])
    expect(denied({ applicationACLs: allow(['0.0.0.0/0', '::/0'], { protocol: 'tcp' }) })).toEqual(SERVERS)
    const ports = [{ first: 54, last: 60 }]
    expect(denied({ applicationACLs: allow(['0.0.0.0/0', '::/0'], { ports }) })).toEqual(SERVERS)
  })

  it('are none in observe mode, in networks that are not looked at, and behind a failsafe port', () => {
    expect(denied({ mode: 'observe' })).toEqual([])
    expect(denied({}, { ...NO_NETWORKS, excluded: ['192.0.2.53/32', '2001:db8::/32'] })).toEqual([])
    const port = { direction: 'out', protocol: 'udp', port: 53, peers: ['192.0.2.0/24'] } as const
    expect(denied({}, { ...NO_NETWORKS, failsafe: [port] })).toEqual(['2001:db8::53'])
  })

  it('are not those on the loopback of a PU that the host enforces at its interfaces', () => {
    const isolation = { by: 'interfaces', interfaces: [], netns: '/proc/1/fd/9' } as const
    const pu = { contextID: 'web', runtime: testRuntime({ isolation }), policy: testPolicy() }
    expect(deniedNameServers(pu, NO_NETWORKS, ['127.0.0.11', '192.0.2.53'])).toEqual(['192.0.2.53'])
  })
})

it('the warning says what to paste into the policy', () => {
  const policy = testPolicy({ identity: [{ key: 'app', value: 'web' }] })
  const [text] = resolverWarnings({ contextID: 'web', runtime: testRuntime(), policy }, NO_NETWORKS, SERVERS)
  expect(text).toContain('UDP to port 53 of 192.0.2.53, 2001:db8::53')
  expect(text).toContain('pus: [{ pu: { "app": "web" }, dns: allow }]')
})
