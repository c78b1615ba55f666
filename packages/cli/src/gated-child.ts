import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { Writable } from 'node:stream'

/**
 * Waits for the word on file descriptor 3, then becomes the command; without it, or when the pipe closes, ends with 125.
 * `exec --` is unknown to dash, so the command must not begin with a dash.
 */
const GATE = 'IFS= read -r trireme_word <&3 && [ "$trireme_word" = go ] || exit 125; exec 3<&-; exec "$@"'

/** A process that has not become its command yet. */
export interface GatedChild {
  readonly pid: number
  /** 128 + the signal's number where a signal ended it. */
  readonly exitStatus: Promise<number>
  /** The same process becomes the command: `127` if it is not found, `126` if it is not executable. */
  release(): void
  /** The command is never run. */
  abandon(): void
  kill(signal: NodeJS.Signals): void
}

/**
 * A process that can be made a PU before the command's first instruction. Standard streams are ours.
 * @throws Error where no process can be made.
 */
export async function spawnGated(command: readonly string[]): Promise<GatedChild> {
  const child = spawn('/bin/sh', ['-c', GATE, 'trireme', ...command], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
  })
  const exitStatus = exitOf(child)
  await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
  const gate = child.stdio[3] as Writable
  // A child that is killed before it reads makes the pipe break; its exit status says so.
  gate.on('error', () => {})
  return {
    pid: child.pid!,
    exitStatus,
    release: () => gate.end('go\n'),
    abandon: () => gate.destroy(),
    kill: signal => child.kill(signal),
  }
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise(resolve => {
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]))
  })
}
