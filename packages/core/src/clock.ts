/** Time as the parts see it, so that tests can set it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls back once after the delay; returns how to prevent it. A waiting timer does not keep the process alive. */
  setTimer(callback: () => void, delayMs: number): () => void
}

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(callback, delayMs) {
    const timer = setTimeout(callback, delayMs).unref()
    return () => clearTimeout(timer)
  },
}
