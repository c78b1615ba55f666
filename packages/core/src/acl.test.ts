import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileACL, tierOf } from './acl.js'
import { parseAddress } from './address.js'
import type { IPRule, Protocol } from './policy.js'

function rule(name: string, differences: Partial<IPRule>): IPRule {
  return {
    name,
    networks: ['0.0.0.0/0', '::/0'],
    ports: [],
    protocol: 'any',
    action: 'accept',
    ...differences,
  }
}

function winner(
  rules: readonly IPRule[],
  address: string,
  port = 80,
  protocol: 'tcp' | 'udp' | 'icmp' = 'tcp',
) {
  return compileACL(rules).match(parseAddress(address), port, protocol)?.name
}

describe('compileACL', () => {
  it('a reject rule beats an accept rule, however narrow', () => {
    const rules = [
      rule('host', { networks: ['10.1.2.3/32'] }),
      rule('net', { networks: ['10.0.0.0/8'], action: 'reject' }),
    ]
    expect(winner(rules, '10.1.2.3')).toBe('net')
    expect(winner(rules, '192.0.2.1')).toBeUndefined()
  })

  it('of an action the longest prefix wins, then the first', () => {
    const rules = [rule('wide', { networks: ['10.0.0.0/8'] }), rule('narrow', { networks: ['10.1.0.0/16'] })]
    for (const ordered of [rules, [...rules].reverse()]) {
      expect(winner(ordered, '10.1.2.3')).toBe('narrow')
      expect(winner(ordered, '10.2.2.3')).toBe('wide')
    }
    expect(winner([rule('first', {}), rule('second', {})], '10.1.2.3')).toBe('first')
  })

  it('an observed reject rule stands behind those that accept, and is found by itself', () => {
    const rules = [
      rule('accept', { networks: ['10.1.2.3/32'] }),
      rule('observe', { networks: ['10.0.0.0/8'], action: 'reject', mode: 'observe' }),
      rule('reject', { networks: ['10.0.0.0/16'], action: 'reject' }),
    ]
    expect(winner(rules, '10.1.2.3')).toBe('accept')
    expect(winner(rules, '10.2.2.3')).toBe('observe')
    const observed = (text: string) => compileACL(rules).matchObserved(parseAddress(text), 80, 'tcp')?.name
    expect(['10.1.2.3', '10.0.2.3', '11.0.0.1'].map(observed)).toEqual(['observe', 'observe', undefined])
    expect(winner(rules, '10.0.2.3')).toBe('reject')
  })

  it('ports and protocols narrow a rule', () => {
    const ports = [
      { first: 80, last: 80 },
      { first: 8000, last: 8099 },
    ]
    const rules = [rule('web', { ports, protocol: 'tcp' }), rule('ping', { protocol: 'icmp' })]
    expect(winner(rules, '10.0.0.1', 80)).toBe('web')
    expect(winner(rules, '10.0.0.1', 8099)).toBe('web')
    expect(winner(rules, '10.0.0.1', 8100)).toBeUndefined()
    expect(winner(rules, '10.0.0.1', 80, 'udp')).toBeUndefined()
    expect(winner(rules, '10.0.0.1', 0, 'icmp')).toBe('ping')
  })

  it('covers both families', () => {
    const rules = [rule('v6', { networks: ['2001:db8::/32'] }), rule('v4', { networks: ['192.0.2.0/24'] })]
    expect(winner(rules, '2001:db8::7')).toBe('v6')
    expect(winner(rules, '2001:db9::7')).toBeUndefined()
    expect(winner(rules, '192.0.2.7')).toBe('v4')
  })

  it.each<[Partial<IPRule>, string]>([
    [{ networks: [] }, 'no networks'],
    [{ networks: ['10.1.2.3/8'] }, '10.0.0.0/8'],
    [{ ports: [{ first: 1, last: 2 }] }, 'ports with protocol any'],
    [{ ports: [{ first: 1, last: 2 }], protocol: 'icmp' }, 'ports with protocol icmp'],
    [{ ports: [{ first: 2, last: 1 }], protocol: 'tcp' }, 'ports 2-1'],
    [{ ports: [{ first: 0.5, last: 1 }], protocol: 'tcp' }, 'ports 0.5-1'],
    [{ ports: [{ first: 1, last: 65_536 }], protocol: 'udp' }, 'ports 1-65536'],
    [{ protocol: 'sctp' as Protocol }, 'protocol "sctp"'],
    [{ action: 'allow' as 'accept' }, 'action "allow"'],
    [{ mode: 'observe' }, 'mode "observe": expected enforce'],
  ])('refuses %j', (differences, message) => {
    expect(() => compileACL([rule('r', differences)])).toThrow(
      expect.objectContaining({
        code: 'ERR_POLICY',
        message: expect.stringMatching(`rule "r": .*${message}`),
      }),
    )
  })

  it('agrees with looking at one rule after the other', () => {
    const network = fc.constantFrom(
      '10.0.0.0/8',
      '10.1.0.0/16',
      '10.1.2.0/24',
      '10.1.2.3/32',
      '0.0.0.0/0',
      '::/0',
    )
    const anyRule = fc.record({
      networks: fc.array(network, { minLength: 1, maxLength: 3 }),
      protocol: fc.constantFrom<Protocol>('tcp', 'udp', 'any'),
      tier: fc.constantFrom<Partial<IPRule>>({}, { action: 'reject' }, { action: 'reject', mode: 'observe' }),
    })
    const address = fc.constantFrom('10.1.2.3', '10.1.2.4', '10.1.3.3', '10.2.2.3', '11.1.2.3', '::1')
    fc.assert(
      fc.property(fc.array(anyRule, { maxLength: 6 }), address, (parts, text) => {
        const rules = parts.map(({ tier, ...part }, index) => rule(String(index), { ...part, ...tier }))
        const alone = rules.filter(one => winner([one], text) !== undefined)
        const of = (tier: string) =>
          alone.filter(one => tierOf(one) === tier).sort((a, b) => longest(b) - longest(a))
        const longest = (one: IPRule) =>
          Math.max(...one.networks.filter(net => winner([{ ...one, networks: [net] }], text)).map(lengthOf))
        const expected = [...of('reject'), ...of('accept'), ...of('observe')][0]
        expect(winner(rules, text)).toBe(expected?.name)
      }),
    )
  })
})

function lengthOf(network: string): number {
  return Number(network.split('/')[1])
}
