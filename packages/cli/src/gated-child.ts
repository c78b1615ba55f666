import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import type { Duplex } from 'node:stream'
import type { UserAccount } from './user-account.js'

/**
 * Says that it is there on file descriptor 3, waits for the word on it, then becomes the command; without it, or when the pipe
 * closes, ends with 125. `exec --` is unknown to dash, so the command must not begin with a dash.
 */
const GATE =
  'echo >&3; IFS= read -r trireme_word <&3 && [ "$trireme_word" = go ] || exit 125; unset trireme_word; exec 3<&-; exec "$@"'

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
 * A process that can be made a PU before the command's first instruction. Standard streams are ours. With an account it belongs to
 * that user already, with his groups, and his `HOME`, `USER`, `LOGNAME` and `SHELL`.
 * @throws Error where no process can be made, or not as that user.
 */
export async function spawnGated(command: readonly string[], account?: UserAccount): Promise<GatedChild> {
  const [program, ...args] = [...changeUser(account), '/bin/sh', '-c', GATE, 'trireme', ...command]
  const child = spawn(program!, args, {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: { ...process.env, ...environmentOf(account) },
  })
  const exitStatus = exitOf(child)
  await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
  const gate = child.stdio[3] as Duplex
  // A child that is killed before it reads makes the pipe break; its exit status says so.
  gate.on('error', () => {})
  // Until then it is not the user's, and not yet what it is going to be.
  if (account) await isThere(gate, account)
  return {
    pid: child.pid!,
    exitStatus,
    release: () => gate.end('go\n'),
    abandon: () => gate.destroy(),
    kill: signal => child.kill(signal),
  }
}

/** setpriv(1) becomes the program in the same process. */
function changeUser(account: UserAccount | undefined): readonly string[] {
  if (!account) return []
  return ['setpriv', `--reuid=${account.uid}`, `--regid=${account.gid}`, '--init-groups', '--']
}

function environmentOf(account: UserAccount | undefined): NodeJS.ProcessEnv {
  if (!account) return {}
  const { name, home, shell } = account
  return { HOME: home, USER: name, LOGNAME: name, SHELL: shell }
}

async function isThere(gate: Duplex, { name }: UserAccount): Promise<void> {
  const word = once(gate, 'readable').then(() => gate.read() as Buffer | null)
  if ((await word) === null) throw new Error(`user ${name}: setpriv refused to run the command as this user`)
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise(resolve => {
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]))
  })
}
