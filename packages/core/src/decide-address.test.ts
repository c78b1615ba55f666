import { describe, expect, it } from 'vitest'
import { decideAddress } from './decide-address.js'
import type { IPRule } from './policy.js'

const reject: IPRule = { name: 'no', networks: ['0.0.0.0/0'], ports: [], protocol: 'any', action: 'reject' }

describe('decideAddress', () => {
  it('denies by rule or by default, and names either', () => {
    expect(decideAddress(reject, 'enforce')).toEqual({
      verdict: 'reject',
      reason: 'policy',
      rule: 'no',
      observed: false,
    })
    expect(decideAddress(undefined, 'enforce', 'stripped-or-unenforced')).toEqual({
      verdict: 'reject',
      reason: 'stripped-or-unenforced',
      rule: 'default deny',
      observed: false,
    })
  })

  it('lets pass and says so what the PU or the rule only observes', () => {
    const observed = { verdict: 'accept', reason: 'policy', observed: true }
    expect(decideAddress(reject, 'observe')).toEqual({ ...observed, rule: 'no' })
    expect(decideAddress(undefined, 'observe')).toEqual({ ...observed, rule: 'default deny' })
    expect(decideAddress({ ...reject, mode: 'observe' }, 'enforce')).toEqual({ ...observed, rule: 'no' })
  })

  it('names the rule that would have denied what another accepts', () => {
    const accepted = { verdict: 'accept', reason: '', rule: 'yes', observed: false, wouldReject: 'no' }
    const [accept, observer] = [{ ...reject, name: 'yes', action: 'accept' as const }, reject]
    expect(decideAddress(accept, 'enforce', 'policy', observer)).toEqual(accepted)
  })

  it('accepts by rule, in either mode alike', () => {
    const accepted = { verdict: 'accept', reason: '', rule: 'no', observed: false }
    expect(decideAddress({ ...reject, action: 'accept' }, 'enforce')).toEqual(accepted)
    expect(decideAddress({ ...reject, action: 'accept' }, 'observe')).toEqual(accepted)
  })
})
