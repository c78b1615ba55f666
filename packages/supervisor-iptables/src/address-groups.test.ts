import { describe, expect, it } from 'vitest'
import { groupsOf } from './address-groups.js'
import { ipRule } from './pu-fixture.js'

describe('groups of rules over addresses', () => {
  it('hold the networks of all rules that differ in nothing else, each once', () => {
    const tcp = { protocol: 'tcp' } as const
    const rules = [
      ipRule('accept', ['192.0.2.1', '2001:db8::/32'], tcp),
      ipRule('accept', ['192.0.2.1/32', '192.0.2.2/32'], tcp),
      ipRule('accept', ['192.0.2.3/32'], { protocol: 'udp' }),
      ipRule('reject', ['192.0.2.4/32'], tcp),
    ]
    expect(groupsOf(rules, 'IPv4').map(({ tier, networks }) => [tier, ...networks])).toEqual([
      ['reject', '192.0.2.4/32'],
      ['accept', '192.0.2.1/32', '192.0.2.2/32'],
      ['accept', '192.0.2.3/32'],
    ])
    expect(groupsOf(rules, 'IPv6').map(({ networks }) => networks)).toEqual([['2001:db8::/32']])
  })

  it('order ports and join those that touch, and no others', () => {
    const ports = [
      { first: 54, last: 60 },
      { first: 52, last: 52 },
      { first: 61, last: 70 },
      { first: 55, last: 56 },
    ]
    const [group] = groupsOf([ipRule('accept', ['192.0.2.1'], { protocol: 'tcp', ports })], 'IPv4')
    expect(group?.ports).toEqual([
      { first: 52, last: 52 },
      { first: 54, last: 70 },
    ])
  })
})
