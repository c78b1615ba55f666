import { expect, it } from 'vitest'
import { formatPortRange, parsePortRange } from './port-range.js'

it.each(['1', '8080', '65535', '8000-8100'])('reads and writes %s', text => {
  expect(formatPortRange(parsePortRange(text))).toBe(text)
})

it('writes a range of one port as a port', () => {
  expect(formatPortRange(parsePortRange('80-80'))).toBe('80')
})

it.each(['', '0', '65536', '80-79', '80-', '-80', '1e3', ' 80', '80,81', 'http', '0x50', '80-81-82'])(
  'refuses %j',
  text => expect(() => parsePortRange(text)).toThrow(/expected a port from 1 to 65535/),
)
