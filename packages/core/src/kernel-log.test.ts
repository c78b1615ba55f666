import { describe, expect, it } from 'vitest'
import { formatKernelDecision, type KernelDecision, parseKernelDecision } from './kernel-log.js'

describe('the prefix of a kernel decision', () => {
  it.each<KernelDecision['outcome']>(['accept', 'observe', 'adopt', 'drop.policy', 'drop.mid-stream'])(
    'carries %s',
    outcome => {
      const decision = { queueNumber: 65_535, outcome }
      expect(formatKernelDecision(decision).length).toBeLessThan(64)
      expect(parseKernelDecision(formatKernelDecision(decision))).toEqual(decision)
    },
  )

  it.each(['', 'accept', '4097-', '4097-maybe', 'other: 4097-accept'])('%j is none', prefix => {
    expect(parseKernelDecision(prefix)).toBeUndefined()
  })
})
