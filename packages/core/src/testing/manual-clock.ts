import type { Clock } from '../clock.js'

/** A clock that stands still until told. */
export interface ManualClock extends Clock {
  /** Moves on by `ms`; timers that fall due run in the order of their times, each at its own. */
  advance(ms: number): void
}

interface Timer {
  readonly at: number
  readonly callback: () => void
}

/** Begins at `startMs`, milliseconds since 1970; by default with the year 2030. */
export function manualClock(startMs: number = Date.UTC(2030, 0, 1)): ManualClock {
  let now = startMs
  const timers = new Set<Timer>()
  const nextUntil = (end: number) => {
    const due = [...timers].filter(timer => timer.at <= end)
    return due.sort((a, b) => a.at - b.at)[0]
  }
  return {
    now: () => now,
    setTimer(callback, delayMs) {
      const timer = { at: now + delayMs, callback }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    advance(ms) {
      const end = now + ms
      for (let timer = nextUntil(end); timer !== undefined; timer = nextUntil(end)) {
        timers.delete(timer)
        now = timer.at
        timer.callback()
      }
      now = end
    },
  }
}
