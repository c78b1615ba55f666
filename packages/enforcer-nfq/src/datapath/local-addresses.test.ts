import { parseAddress } from '@trireme/core'
import { expect, it } from 'vitest'
import { isLoopbackAddress, LocalAddresses } from './local-addresses.js'

it('knows the addresses that interfaces have got 20 ms later, and none that they have lost a second later', () => {
  let now = 0
  let reads = 0
  let interfaces = ['192.0.2.1', 'fe80::1']
  const read = () => {
    reads++
    return interfaces
  }
  const addresses = new LocalAddresses(() => now, { read })
  const has = (text: string) => addresses.has(parseAddress(text))
  expect([has('192.0.2.1'), has('fe80::1'), has('192.0.2.2')]).toEqual([true, true, false])
  interfaces = ['192.0.2.2']
  expect([has('192.0.2.2'), reads]).toEqual([false, 1])
  now = 19
  expect([has('192.0.2.2'), reads]).toEqual([false, 1])
  now = 20
  expect([has('192.0.2.2'), has('192.0.2.1'), reads]).toEqual([true, false, 2])
  interfaces = []
  now = 1019
  expect([has('192.0.2.2'), reads]).toEqual([true, 2])
  now = 1020
  expect([has('192.0.2.2'), reads]).toEqual([false, 3])
  interfaces = ['192.0.2.3']
  now = -3_600_000
  expect([has('192.0.2.3'), reads]).toEqual([true, 4])
})

it('all of 127.0.0.0/8 is local, and what only looks like it is not', () => {
  const addresses = new LocalAddresses(() => 0, { read: () => [] })
  expect(addresses.has(parseAddress('127.1.2.3'))).toBe(true)
  expect(addresses.has(parseAddress('128.0.0.1'))).toBe(false)
  expect(addresses.has(parseAddress('7f00::1'))).toBe(false)
})

it.each([
  ['127.0.0.1', true],
  ['127.255.0.9', true],
  ['::1', true],
  ['::2', false],
  ['126.0.0.1', false],
  ['7f00::1', false],
])('%s is a loopback address: %s', (address, is) => {
  expect(isLoopbackAddress(parseAddress(address))).toBe(is)
})

it('an alias is the host’s though no interface has it', () => {
  const aliases = ['203.0.113.7', '2001:DB8:0::7']
  const addresses = new LocalAddresses(() => 0, { aliases, read: () => [] })
  const has = (text: string) => addresses.has(parseAddress(text))
  expect([has('203.0.113.7'), has('2001:db8::7'), has('203.0.113.8')]).toEqual([true, true, false])
})

it('reads this machine’s', () => {
  expect(new LocalAddresses(() => 0).has(parseAddress('203.0.113.254'))).toBe(false)
})
