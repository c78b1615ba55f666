import { expect, it } from 'vitest'
import { parseAlias } from './alias.js'

it.each([
  ['203.0.113.7', '203.0.113.7'],
  ['203.0.113.7:443', '203.0.113.7:443'],
  ['2001:DB8:0:0::7', '2001:db8::7'],
  ['[2001:db8::07]:0443', '[2001:db8::7]:443'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['0.0.0.0:443', '0.0.0.0:443'],
  ['[::]:443', '[::]:443'],
])('%s is %s', (text, expected) => {
  expect(parseAlias(text)).toBe(expected)
})

it.each([
  '',
  'example.org',
  '203.0.113.7:0',
  '203.0.113.7:65536',
  '203.0.113.256',
  '203.0.113.0/24',
  '[2001:db8::7]',
  '2001:db8::7%eth0',
  '[fe80::1%eth0]:80',
  '0.0.0.0',
  '::',
])('%j is none', text => {
  expect(() => parseAlias(text)).toThrow(RangeError)
})
