/**
 * Millions of changed packets, overlays and records. Continuous integration runs a share; `npm run soak packets` runs ten million.
 * The seed is printed: TRIREME_FUZZ_SEED repeats a run.
 */
import { describe, expect, it } from 'vitest'
import { OVERLAY_TARGET, recordTargets } from './codec-targets.js'
import { type Draw, drawFrom, mutate } from './mutate.js'
import { PACKET_TARGET } from './packet-target.js'
import type { Target } from './target.js'

const { TRIREME_FUZZ_CASES = '500000', TRIREME_FUZZ_SEED = String(Date.now() >>> 0) } = process.env
const CASES = Number(TRIREME_FUZZ_CASES)
/** A signature or a promise costs much more than a look at bytes: records get this part of the cases, all together. */
const RECORD_SHARE = 0.04
/** Nothing takes a hundredth of this; but a busy machine may stop us for a while. */
const HANG_MS = 5_000

const targets: readonly { readonly target: Target; readonly share: number }[] = [
  { target: PACKET_TARGET, share: 0.6 },
  { target: OVERLAY_TARGET, share: 0.4 - RECORD_SHARE },
  ...(await recordTargets()).map((target, _, all) => ({ target, share: RECORD_SHARE / all.length })),
]

describe('whatever the network says, nothing is thrown and nothing hangs', () => {
  it.each(targets.map(each => [each.target.name, each] as const))(
    '%s',
    { timeout: 20_000 + CASES },
    async (name, { target, share }) => {
      const cases = Math.ceil(CASES * share)
      const draw = drawFrom(Number(TRIREME_FUZZ_SEED))
      let slowestMs = 0
      for (let done = 0; done < cases; done += 1) slowestMs = Math.max(slowestMs, await runCase(target, draw))
      console.log(
        `fuzz, ${name}: ${cases} cases, seed ${TRIREME_FUZZ_SEED}, slowest ${Math.round(slowestMs)} ms`,
      )
      expect(slowestMs).toBeLessThan(HANG_MS)
    },
  )
})

async function runCase({ seeds, run }: Target, draw: Draw): Promise<number> {
  const bytes = mutate(seeds[draw(seeds.length)]!, draw)
  const began = performance.now()
  try {
    const running = run(bytes)
    if (running) await running
  } catch (error) {
    throw new Error(`the case ${Buffer.from(bytes).toString('hex')}`, { cause: error })
  }
  return performance.now() - began
}
