import { expect, it } from 'vitest'
import { ExpiryWheel } from './expiry-wheel.js'

function take(wheel: ExpiryWheel, nowMs: number): number[] {
  const due: number[] = []
  wheel.advance(nowMs, slot => due.push(slot))
  return due
}

it('hands out each slot once, when it is due and not before', () => {
  const wheel = new ExpiryWheel()
  take(wheel, 1_000_000)
  wheel.schedule(1, 1_064_000)
  wheel.schedule(2, 1_064_001)
  wheel.schedule(3, 1_010_000)
  wheel.schedule(3, 1_120_000)
  wheel.schedule(4, 1_064_000)
  wheel.cancel(4)
  expect(take(wheel, 1_063_999)).toEqual([])
  expect(take(wheel, 1_064_000)).toEqual([1])
  expect(take(wheel, 1_070_000)).toEqual([2])
  expect(take(wheel, 1_119_999)).toEqual([])
  expect(take(wheel, 1_125_000)).toEqual([3])
  expect(take(wheel, 2_000_000)).toEqual([])
})

it('hands out everything when the clock was set back or far ahead', () => {
  const wheel = new ExpiryWheel()
  take(wheel, 1_000_000)
  for (const slot of [1, 2]) wheel.schedule(slot, 1_030_000 + slot * 20_000)
  expect(take(wheel, 500_000)).toEqual(expect.arrayContaining([1, 2]))
  wheel.schedule(7, 560_000)
  expect(take(wheel, 9_000_000)).toEqual([7])
})
