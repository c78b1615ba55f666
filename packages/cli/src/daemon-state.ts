import { mkdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { readProcessFacts } from '@trireme/monitor-linux-cgroup'
import { z } from 'zod'
import { CommandFailure, EXIT } from './failure.js'
import { removeFlowJournals } from './flow-journal-file.js'
import { removeIfEmpty } from './remove-if-empty.js'
import { writeAtomically } from './write-atomically.js'

const schema = z.object({
  /** Starts so far. */
  generation: z.int().nonnegative(),
  pid: z.int(),
  startTime: z.string(),
  /** As `net:[4026531840]`. */
  networkNamespace: z.string(),
})

/** What a daemon leaves in its state directory for the next one. */
export type DaemonState = z.output<typeof schema>

/**
 * Takes the state directory for this process and counts the start.
 * @throws CommandFailure where another daemon uses it, or where it cannot be written.
 */
export async function claimState(stateDir: string): Promise<DaemonState> {
  const previous = await readState(stateDir)
  await assertUnused(stateDir, previous)
  const facts = (await readProcessFacts('self'))!
  const state = { generation: (previous?.generation ?? 0) + 1, pid: process.pid, ...facts }
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 })
    await writeAtomically(stateFile(stateDir), JSON.stringify(state))
  } catch (error) {
    throw new CommandFailure(
      EXIT.environment,
      `stateDir ${stateDir}: ${(error as Error).message}: expected a folder that root may write`,
      { cause: error },
    )
  }
  return state
}

/**
 * What the last daemon wrote; undefined where there was none, or the file is damaged.
 */
export async function readState(stateDir: string): Promise<DaemonState | undefined> {
  const text = await readFile(stateFile(stateDir), 'utf8').catch(() => '')
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** @throws CommandFailure where the daemon that wrote the state still runs. */
export async function assertUnused(stateDir: string, state: DaemonState | undefined): Promise<void> {
  const facts = state && (await readProcessFacts(state.pid))
  if (!facts || facts.startTime !== state.startTime) return
  throw new CommandFailure(
    EXIT.environment,
    `stateDir ${stateDir}: the daemon with process ID ${state.pid} uses it: stop that one first`,
  )
}

/** Removes the state file and the journals, and the folder with its default parent if nothing else is in them. */
export async function removeState(stateDir: string): Promise<void> {
  await rm(stateFile(stateDir), { force: true })
  await removeFlowJournals(stateDir)
  await removeIfEmpty(stateDir)
  if (dirname(stateDir) === '/var/lib/trireme') await removeIfEmpty(dirname(stateDir))
}

function stateFile(stateDir: string): string {
  return join(stateDir, 'daemon.json')
}
