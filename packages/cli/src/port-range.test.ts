import { describe, expect, it } from 'vitest'
import { assertPort, formatPortRange } from './port-range.js'

describe('ports', () => {
  it.each(['1', '8080', '8000-8100', '65535', 'auto'])('takes %s', text => assertPort(text))

  it.each(['0', '65536', '80-79', '', 'http', '80,81', '-1', 'AUTO'])('refuses %j', text => {
    expect(() => assertPort(text)).toThrow(RangeError)
  })

  it('prints one port as one', () => {
    expect(formatPortRange({ first: 80, last: 80 })).toBe('80')
    expect(formatPortRange({ first: 80, last: 81 })).toBe('80-81')
  })
})
