import { cpus } from 'node:os'
import type { Daemon } from '../harness/daemon.js'
import { FRONTEND } from '../harness/pair.js'
import { asPU } from '../harness/processing-unit.js'
import { runCommand } from '../harness/run-command.js'

export interface ShortLivedRun {
  readonly expected: number
  readonly code: number | undefined
  /** From the start of the command line to the first instruction of the command, in milliseconds. */
  readonly beforeExecMs: number
}

/** Runs commands that end at once, each with a status of its own, `lanes` at a time. */
export async function runShortLived(
  daemon: Daemon,
  count: number,
  lanes: number,
): Promise<readonly ShortLivedRun[]> {
  const runs: ShortLivedRun[] = []
  let next = 0
  const lane = async () => {
    while (next < count) {
      const expected = next++ % 120
      const began = Date.now()
      const command = ['sh', '-c', `date +%s%3N; exit ${expected}`]
      const { code, stdout } = await runCommand(asPU(daemon, FRONTEND, command), {
        env: daemon.env,
        timeoutMs: 120_000,
      })
      runs.push({ expected, code, beforeExecMs: Number(stdout) - began })
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return runs
}

/** The figures in one line. */
export function shortLivedFigures(runs: readonly ShortLivedRun[], lanes: number): string {
  const sorted = runs.map(({ beforeExecMs }) => beforeExecMs).sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  return `trireme run before exec, ${runs.length} runs, ${lanes} at a time, ${cpus().length} cores: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`
}
