import fc from 'fast-check'
import { expect, it } from 'vitest'
import { formatPEM, pemBlocks } from './pem.js'

it('gives back what was written, also several blocks among other text', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.uint8Array({ maxLength: 60 }),
      (one, two) => {
        const text = `note\n${formatPEM('CERTIFICATE', one)}\n--\r\n${formatPEM('TRIREME STATEMENT', two)}`
        expect(pemBlocks(text).map(({ label, der }) => [label, Buffer.from(der)])).toEqual([
          ['CERTIFICATE', Buffer.from(one)],
          ['TRIREME STATEMENT', Buffer.from(two)],
        ])
        expect(Math.max(...text.split('\n').map(line => line.length))).toBeLessThanOrEqual(64)
      },
    ),
  )
})

it('finds no block in what is none', () => {
  expect(pemBlocks('')).toEqual([])
  expect(pemBlocks('-----BEGIN A-----\nAAAA\n-----END B-----\n')).toEqual([])
  const began = performance.now()
  expect(pemBlocks('-----BEGIN A-----\n'.repeat(100_000))).toEqual([])
  expect(performance.now() - began).toBeLessThan(5_000)
})
