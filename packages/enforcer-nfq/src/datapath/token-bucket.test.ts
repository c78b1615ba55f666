import { expect, it } from 'vitest'
import { TokenBucket } from './token-bucket.js'

it('allows so many a second, and no more after a longer pause', () => {
  const bucket = new TokenBucket(10)
  const taken = (nowMs: number) => Array.from({ length: 50 }, () => bucket.take(nowMs)).filter(Boolean).length
  expect(taken(0)).toBe(10)
  expect(taken(0)).toBe(0)
  expect(taken(500)).toBe(5)
  expect(taken(3_600_000)).toBe(10)
})

it('goes on where the clock is set back', () => {
  const bucket = new TokenBucket(2)
  expect([bucket.take(1000), bucket.take(1000), bucket.take(0), bucket.take(500)]).toEqual([
    true,
    true,
    false,
    true,
  ])
})
