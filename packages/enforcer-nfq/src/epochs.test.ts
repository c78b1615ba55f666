import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Epochs } from './epochs.js'

/** A settlement that only counts; `left` is what it says is left. */
function counting() {
  return {
    settled: [] as number[],
    judged: [] as number[],
    left: 0,
    pruned: 0,
    failure: undefined as Error | undefined,
  }
}

function start(settlement: ReturnType<typeof counting>, errors: unknown[] = []) {
  return new Epochs({
    first: 3,
    now: () => Date.now(),
    onError: error => void errors.push(error),
    settlement: {
      nextEpoch: current => current + 1,
      settle: current => {
        settlement.settled.push(current)
        if (settlement.failure) throw settlement.failure
        return settlement.left
      },
      judgeKnown: current => void settlement.judged.push(current),
      prune: () => void settlement.pruned++,
    },
  })
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('an epoch that begins', () => {
  it('is settled at once, and again while the rules may still be those of before', () => {
    const settlement = counting()
    const epochs = start(settlement)
    epochs.enter(epochs.next([]))
    expect([epochs.current, settlement.settled]).toEqual([4, [4]])
    vi.advanceTimersByTime(1000)
    expect(settlement.settled).toHaveLength(5)
    vi.advanceTimersByTime(60_000)
    expect(settlement.settled.length).toBeLessThan(25)
  })

  it('and entering it again does nothing, unless something was left', () => {
    const settlement = counting()
    const epochs = start(settlement)
    epochs.enter(3)
    expect(settlement.settled).toEqual([])
    settlement.left = 2
    epochs.enter(4)
    epochs.close()
    const before = settlement.settled.length
    epochs.enter(4)
    epochs.sweep()
    expect(settlement.settled).toHaveLength(before + 2)
  })
})

it('a packet of another epoch has it settled soon, many of them once', () => {
  const settlement = counting()
  const epochs = start(settlement)
  for (let packet = 0; packet < 100; packet++) epochs.settleSoon()
  expect(settlement.settled).toEqual([])
  vi.advanceTimersByTime(100)
  expect(settlement.settled).toEqual([3])
})

it('flows are pruned once a minute', () => {
  const settlement = counting()
  const epochs = start(settlement)
  for (let second = 0; second < 180; second += 5) {
    vi.advanceTimersByTime(5000)
    epochs.sweep()
  }
  expect(settlement.pruned).toBe(3)
})

it('a failure is heard of, and tried again', () => {
  const settlement = counting()
  const errors: unknown[] = []
  const epochs = start(settlement, errors)
  settlement.failure = new Error('EPERM')
  epochs.enter(4)
  settlement.failure = undefined
  vi.advanceTimersByTime(300)
  expect([errors, settlement.settled]).toEqual([[new Error('EPERM')], [4, 4]])
})
