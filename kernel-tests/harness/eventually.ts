import { setTimeout as sleep } from 'node:timers/promises'

export interface Patience {
  /** Default 30,000: machines are shared, and a wait that succeeds costs no more for it. */
  readonly timeoutMs?: number
  /** Default 50. */
  readonly everyMs?: number
}

/**
 * The first answer of `probe` that is neither undefined nor false. Rejects, naming `what`, when none came in time; a probe
 * that rejects counts as "not yet", and its last error becomes the cause.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  { timeoutMs = 30_000, everyMs = 50 }: Patience = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  let cause: unknown
  for (;;) {
    try {
      const answer = await probe()
      if (answer !== undefined && answer !== false) return answer
    } catch (error) {
      cause = error
    }
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause })
    await sleep(everyMs)
  }
}
