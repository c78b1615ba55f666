import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { ReplayFilter } from './replay-filter.js'

const hash = Buffer.alloc(32, 1)
const nonce = Buffer.alloc(16, 2)

it('tells the resend of a SYN from its replay elsewhere', () => {
  const filter = new ReplayFilter()
  const here = { key: 'tuple', isn: 7 }
  expect(filter.isReplay(hash, nonce, here)).toBe(false)
  expect(filter.isReplay(hash, nonce, here)).toBe(false)
  expect(filter.isReplay(hash, nonce, { ...here, key: 'another' })).toBe(true)
  expect(filter.isReplay(hash, nonce, { ...here, isn: 8 })).toBe(true)
  expect(filter.isReplay(hash, Buffer.alloc(16, 3), { ...here, isn: 8 })).toBe(false)
  expect(filter.isReplay(Buffer.alloc(32, 4), nonce, { ...here, key: 'another' })).toBe(false)
})

it('remembers the latest 16,384 and is never wrong about a new one', () => {
  const filter = new ReplayFilter()
  filter.isReplay(hash, nonce, { key: 'tuple', isn: 7 })
  for (let count = 0; count < 16_000; count++)
    expect(filter.isReplay(hash, randomBytes(16), { key: 'tuple', isn: count })).toBe(false)
  expect(filter.isReplay(hash, nonce, { key: 'another', isn: 7 })).toBe(true)
})
