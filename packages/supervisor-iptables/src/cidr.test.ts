import { expect, it } from 'vitest'
import { parseCIDR } from './cidr.js'

it.each([
  ['10.0.0.0/8', { family: 'IPv4', text: '10.0.0.0/8' }],
  ['0.0.0.0/0', { family: 'IPv4', text: '0.0.0.0/0' }],
  ['192.0.2.1', { family: 'IPv4', text: '192.0.2.1/32' }],
  ['fd00::/8', { family: 'IPv6', text: 'fd00::/8' }],
  ['::1', { family: 'IPv6', text: '::1/128' }],
])('reads %s', (value, cidr) => {
  expect(parseCIDR(value)).toEqual(cidr)
})

it.each([
  ...[
    '',
    'localhost',
    '10.0.0.0/33',
    '::/129',
    '10.0.0/8',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/8 -j ACCEPT',
  ],
  ...['fe80::1%eth0', '10.0.0.0/8\n', '10.0.0.0/255.0.0.0', '!10.0.0.0/8', '::ffff:1.2.3.4/-1'],
])('refuses %j', value => {
  expect(parseCIDR(value)).toBeUndefined()
})
