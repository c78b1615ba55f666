import { expect, it } from 'vitest'
import { compileACL } from './acl.js'
import { parseAddress } from './address.js'
import { DENY_ALL, type PUPolicy } from './policy.js'
import { withDNS } from './with-dns.js'

const SERVERS = ['192.0.2.53', '2001:db8::53']
const ALLOWED: PUPolicy = { ...DENY_ALL, dns: 'allow' }

it('lets queries to these servers pass, over UDP and TCP, and nothing else', () => {
  const acl = compileACL(withDNS(ALLOWED, SERVERS).applicationACLs)
  for (const address of SERVERS.map(parseAddress)) {
    expect(acl.match(address, 53, 'udp')?.name).toBe('dns: allow')
    expect(acl.match(address, 53, 'tcp')?.name).toBe('dns: allow')
    expect(acl.match(address, 54, 'udp')).toBeUndefined()
    expect(acl.match(address, 53, 'icmp')).toBeUndefined()
  }
  expect(acl.match(parseAddress('192.0.2.54'), 53, 'udp')).toBeUndefined()
  expect(withDNS(ALLOWED, SERVERS).networkACLs).toEqual([])
})

it('stands behind a rule that rejects', () => {
  const no = { name: 'no', networks: ['192.0.2.0/24'], ports: [], protocol: 'any', action: 'reject' } as const
  const acl = compileACL(withDNS({ ...ALLOWED, applicationACLs: [no] }, SERVERS).applicationACLs)
  expect(acl.match(parseAddress('192.0.2.53'), 53, 'udp')).toBe(no)
})

it('is denied by default, and where no server is known', () => {
  expect(withDNS(DENY_ALL, SERVERS)).toBe(DENY_ALL)
  expect(withDNS({ ...DENY_ALL, dns: 'deny' }, SERVERS).applicationACLs).toEqual([])
  expect(withDNS(ALLOWED, [])).toBe(ALLOWED)
})
