import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAddress } from './address.js'
import { formatCIDR, parseCIDR } from './cidr.js'
import { compileNetworks } from './network-trie.js'

describe('parseCIDR', () => {
  it.each([
    ['10.0.0.0/8', 'ipv4', 104, '10.0.0.0/8'],
    ['0.0.0.0/0', 'ipv4', 96, '0.0.0.0/0'],
    ['192.0.2.7/32', 'ipv4', 128, '192.0.2.7/32'],
    ['::/0', 'ipv6', 0, '::/0'],
    ['FD00::/8', 'ipv6', 8, 'fd00::/8'],
    ['::1/128', 'ipv6', 128, '::1/128'],
  ])('%s', (text, family, prefixLength, canonical) => {
    const cidr = parseCIDR(text)
    expect(cidr).toMatchObject({ family, prefixLength })
    expect(formatCIDR(cidr)).toBe(canonical)
  })

  it.each([
    ['10.0.0.1', 'expected a prefix length: 10.0.0.1/32'],
    ['::1', 'expected a prefix length: ::1/128'],
    ['10.1.2.3/8', 'expected no bits behind the prefix: 10.0.0.0/8'],
    ['2001:db8::1/33', 'expected no bits behind the prefix: 2001:db8::/33'],
    ['::ffff:10.0.0.0/104', 'expected an IPv4 network: 10.0.0.0/8'],
    ['10.0.0.0/33', 'expected a prefix length of 0 to 32'],
    ['10.0.0.0/08', 'expected a prefix length of 0 to 32'],
    ['10.0.0.0/', 'expected a prefix length of 0 to 32'],
    ['::/129', 'expected a prefix length of 0 to 128'],
    ['fe80::%eth0/64', 'expected an IPv4 or IPv6 network'],
    ['everywhere', 'expected an IPv4 or IPv6 network'],
  ])('refuses %s', (text, message) => {
    expect(() => parseCIDR(text)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining(message) }),
    )
  })
})

describe('compileNetworks', () => {
  it('keeps the families apart', () => {
    expect(compileNetworks(['::/0']).contains(parseAddress('10.0.0.1'))).toBe(false)
    expect(compileNetworks(['0.0.0.0/0']).contains(parseAddress('10.0.0.1'))).toBe(true)
    expect(compileNetworks(['0.0.0.0/0']).contains(parseAddress('::1'))).toBe(false)
    expect(compileNetworks(['::/0']).contains(parseAddress('2001:db8::1'))).toBe(true)
  })

  it('contains nothing where there is no network', () => {
    expect(compileNetworks([]).contains(parseAddress('10.0.0.1'))).toBe(false)
  })

  it('agrees with comparing prefixes as text of bits', () => {
    const word = fc.integer({ min: 0, max: 0xffff_ffff })
    const network = fc.record({ word, length: fc.integer({ min: 0, max: 32 }) })
    const bits = (value: number) => value.toString(2).padStart(32, '0')
    const dotted = (value: number) => [24, 16, 8, 0].map(shift => (value >>> shift) & 0xff).join('.')
    const text = (value: number, length: number) => {
      const masked = length === 0 ? 0 : ((value >>> (32 - length)) << (32 - length)) >>> 0
      return `${dotted(masked)}/${length}`
    }
    const near = fc.tuple(
      fc.array(network, { maxLength: 8 }),
      word,
      fc.nat(7),
      fc.integer({ min: 0, max: 31 }),
    )
    fc.assert(
      fc.property(near, ([networks, other, index, flip]) => {
        const chosen = networks[index]
        const address = chosen === undefined ? other : (chosen.word ^ (1 << flip)) >>> 0
        const expected = networks.some(
          ({ word: base, length }) => bits(base).slice(0, length) === bits(address).slice(0, length),
        )
        const compiled = compileNetworks(networks.map(({ word: base, length }) => text(base, length)))
        expect(compiled.contains(parseAddress(dotted(address)))).toBe(expected)
      }),
    )
  })
})
