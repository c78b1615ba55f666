import { generateKeyPairSync } from 'node:crypto'
import { expect, it } from 'vitest'
import { manualClock } from '../testing/manual-clock.js'
import { CheckedCredentials } from './checked-credentials.js'
import { refuseToken } from './secret-fault.js'
import type { Vouch } from './vouched-key.js'

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const GOOD = Buffer.from('good')
const vouched = { serverID: 'host-a', publicKey, keyID: '0'.repeat(16) }

/** Vouches for `good`, and counts how often it was asked. */
function stage(validities = [{ notBefore: 0, notAfter: 4_000_000_000 }]) {
  const clock = manualClock()
  const vouch: Vouch = credential =>
    GOOD.equals(credential) ? { ...vouched, validities } : refuseToken('is bad')
  return { clock, checked: new CheckedCredentials(vouch, clock.now) }
}

it('asks once for each credential, good or bad', () => {
  const { checked } = stage()
  for (let i = 0; i < 3; i++) {
    expect(checked.check(Buffer.from(GOOD))).toMatchObject({ serverID: 'host-a', notAfter: 4_000_000_000 })
    expect(checked.check(Buffer.from('bad'))).toEqual({ reason: 'token', problem: 'is bad' })
  }
  expect(checked.coldChecks).toBe(2)
})

it('forgets no good credential over a flood of bad ones', () => {
  const { checked } = stage()
  checked.check(GOOD)
  for (let i = 0; i < 20_000; i++) checked.check(Buffer.from(`bad ${i}`))
  const before = checked.coldChecks
  checked.check(GOOD)
  expect(checked.coldChecks).toBe(before)
})

it('goes by the chain that holds now and longest, at every use', () => {
  const { clock, checked } = stage([
    { notBefore: 0, notAfter: Date.UTC(2030, 0, 2) / 1000 },
    { notBefore: 0, notAfter: Date.UTC(2030, 0, 3) / 1000 },
    { notBefore: Date.UTC(2030, 0, 5) / 1000, notAfter: Date.UTC(2030, 0, 9) / 1000 },
    { notBefore: 9, notAfter: 1 },
  ])
  const day = 86_400_000
  expect(checked.check(GOOD)).toMatchObject({ notAfter: Date.UTC(2030, 0, 3) / 1000 })
  clock.advance(3 * day)
  expect(checked.check(GOOD)).toMatchObject({
    reason: 'clock',
    problem: expect.stringContaining('not yet valid'),
  })
  clock.advance(day)
  expect(checked.check(GOOD)).toMatchObject({ notAfter: Date.UTC(2030, 0, 9) / 1000 })
  clock.advance(9 * day)
  expect(checked.check(GOOD)).toMatchObject({ reason: 'clock', problem: expect.stringContaining('expired') })
  expect(checked.coldChecks).toBe(1)
})
