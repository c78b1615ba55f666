import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { readProcessFacts } from '@trireme/monitor-linux-cgroup'
import { z } from 'zod'
import { CommandFailure, EXIT, messageOf } from './failure.js'
import { removeFlowJournals } from './flow-journal-file.js'
import { removeIfEmpty } from './remove-if-empty.js'
import { writeAtomically } from './write-atomically.js'

const VERSION = 1

const schema = z.object({
  /** Of this layout; absent in files of the first versions. */
  version: z.literal(VERSION).default(VERSION),
  /** Starts so far. */
  generation: z.int().nonnegative(),
  pid: z.int(),
  startTime: z.string(),
  /** As `net:[4026531840]`. */
  networkNamespace: z.string(),
})

/** What a daemon leaves for the next one. */
export type DaemonState = z.output<typeof schema>

/** Where it is left. */
export interface StatePlaces {
  readonly stateDir: string
  /** The control socket. Beside it lies the state that the disk of `stateDir` did not take. */
  readonly socket: string
}

export interface ClaimedState {
  readonly state: DaemonState
  /** No daemon has used the state directory before: nothing can be in force. */
  readonly isFirst: boolean
  /** Why the state does not lie in the state directory. */
  readonly refusedByDisk?: unknown
}

/** What a full, read-only or broken disk answers. */
const DISK_FAULTS = ['EROFS', 'ENOSPC', 'EDQUOT', 'EIO']

/**
 * Takes the state directory for this process and counts the start. Where the disk does not take it, the state lies beside the socket
 * until the next start, and nothing counts as first.
 * @throws CommandFailure where another daemon uses it, where what is there is not a state of this version, or where it cannot be written.
 */
export async function claimState(places: StatePlaces): Promise<ClaimedState> {
  const { stateDir } = places
  const previous = await readState(places)
  await assertUnused(stateDir, previous)
  const facts = (await readProcessFacts('self'))!
  const generation = (previous?.generation ?? 0) + 1
  const state: DaemonState = { version: VERSION, generation, pid: process.pid, ...facts }
  try {
    const isFirst = previous === undefined && (await isEmpty(stateDir))
    await mkdir(stateDir, { recursive: true, mode: 0o700 })
    await writeAtomically(stateFile(stateDir), JSON.stringify(state))
    await rm(spareFile(places.socket), { force: true })
    return { state, isFirst }
  } catch (error) {
    if (!DISK_FAULTS.includes((error as NodeJS.ErrnoException).code ?? '')) throw notWritten(stateDir, error)
    await writeAtomically(spareFile(places.socket), JSON.stringify(state)).catch(failure => {
      throw notWritten(dirname(places.socket), failure)
    })
    return { state, isFirst: false, refusedByDisk: error }
  }
}

/**
 * What the last daemon wrote; undefined where none did.
 * @throws CommandFailure where a file is there that cannot be read, or is not a whole state of this version.
 */
export async function readState({ stateDir, socket }: StatePlaces): Promise<DaemonState | undefined> {
  const [kept, spare] = [await readStateFile(stateFile(stateDir)), await readStateFile(spareFile(socket))]
  return (spare?.generation ?? -1) > (kept?.generation ?? -1) ? spare : kept
}

async function readStateFile(path: string): Promise<DaemonState | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    const reason =
      error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : messageOf(error)
    throw new CommandFailure(
      EXIT.environment,
      `${path}: ${reason}: expected the state that a daemon of version ${VERSION} wrote. What is enforced stays so. ` +
        'Put the file back, or remove it once no daemon of this configuration runs',
      { cause: error },
    )
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
export async function removeState({ stateDir, socket }: StatePlaces): Promise<void> {
  await rm(spareFile(socket), { force: true })
  await rm(stateFile(stateDir), { force: true })
  await removeFlowJournals(stateDir)
  await removeIfEmpty(stateDir)
  if (dirname(stateDir) === '/var/lib/trireme') await removeIfEmpty(dirname(stateDir))
}

/** Contexts and journals without a state are an earlier daemon's, whose state somebody removed. */
async function isEmpty(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder)).length === 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true
    throw error
  }
}

function notWritten(folder: string, cause: unknown): CommandFailure {
  return new CommandFailure(
    EXIT.environment,
    `stateDir ${folder}: ${messageOf(cause)}: expected a folder that root may write`,
    { cause },
  )
}

function stateFile(stateDir: string): string {
  return join(stateDir, 'daemon.json')
}

function spareFile(socket: string): string {
  return `${socket}.daemon.json`
}
