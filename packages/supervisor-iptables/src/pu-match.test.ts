import { describe, expect, it } from 'vitest'
import { testPU } from './pu-fixture.js'
import { matchesOf, matchTokens, parseMatchTokens } from './pu-match.js'

const ports = [{ first: 80, last: 81 }]
const byPort = (['tcp', 'udp'] as const).map(protocol => ({ by: 'port', protocol, range: ports[0] }))

describe('matchesOf', () => {
  it('tells by the owner only what leaves', () => {
    const { runtime } = testPU('web', {}, { ports, isolation: { by: 'owner', uid: 1000 } })
    expect(matchesOf(runtime, 'out')).toEqual([{ by: 'owner', uid: 1000 }, ...byPort])
    expect(matchesOf(runtime, 'in')).toEqual(byPort)
  })

  it('tells by ports alone where nothing else is asked for', () => {
    const { runtime } = testPU('web', {}, { ports, isolation: { by: 'ports' } })
    expect(matchesOf(runtime, 'in')).toEqual(byPort)
    expect(matchesOf(runtime, 'out')).toEqual(byPort)
  })
})

it('reads an owner as it writes it', () => {
  const match = { by: 'owner', uid: 1000 } as const
  expect(matchTokens(match, 'out').join(' ')).toBe('-m owner --uid-owner 1000')
  expect(parseMatchTokens(matchTokens(match, 'out'))).toEqual(match)
})
