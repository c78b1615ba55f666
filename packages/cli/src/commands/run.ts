import { writeSync } from 'node:fs'
import { basename } from 'node:path'
import { parseAlias, parseTag } from '@trireme/core'
import type { EventBody } from '@trireme/monitor-rpc'
import { askDaemon } from '../control/control-client.js'
import { findSocket } from '../control/find-socket.js'
import { executablePath } from '../executable-path.js'
import { CommandFailure, EXIT, messageOf } from '../failure.js'
import { forwardSignals } from '../forward-signals.js'
import { type GatedChild, spawnGated } from '../gated-child.js'
import { assertPort } from '../port-range.js'
import { printable } from '../printable.js'
import { userAccount } from '../user-account.js'

export interface RunOptions {
  readonly socket?: string
  readonly name?: string
  /** As `key=value`. */
  readonly label: readonly string[]
  /** As `8080`, `8000-8100` or `auto`. */
  readonly port: readonly string[]
  /** As `203.0.113.7` or `203.0.113.7:443`. */
  readonly alias?: readonly string[]
  /** Name or number of the user as whom the command runs. Default: this process's. */
  readonly user?: string
  /** Whether what the command sends of its own accord is left alone. */
  readonly networkOnly?: boolean
}

/** Longer than an activation takes even when fifty go on at once. */
const ACTIVATION_MS = 60_000

/**
 * `trireme run`: the command becomes a PU before its first instruction. Ends with the command's exit status, or with 125 and
 * a reason on stderr, the command not run.
 */
export async function runCommand(options: RunOptions, command: readonly string[]): Promise<number> {
  try {
    assertRunnable(options, command)
    return await runAsPU(await findSocket(options.socket, EXIT.notRun), options, command)
  } catch (error) {
    // Not process.stderr: using it would make a pipe that the command inherits non-blocking.
    writeSync(2, `trireme: ${printable(messageOf(error))}: the command was not run\n`)
    return EXIT.notRun
  }
}

/** What can be refused without a daemon is refused before a process is made. */
function assertRunnable({ label, port, alias = [] }: RunOptions, command: readonly string[]): void {
  label.map(parseTag)
  port.map(assertPort)
  alias.map(parseAlias)
  const [program] = command
  if (!program || program.startsWith('-')) {
    throw new CommandFailure(
      EXIT.notRun,
      `command ${JSON.stringify(program ?? '')}: expected a program's name`,
    )
  }
}

async function runAsPU(socket: string, options: RunOptions, command: readonly string[]): Promise<number> {
  const account = options.user === undefined ? undefined : await userAccount(options.user)
  // A signal that comes earlier ends this process, and with it the gate: the command is not run.
  const child = await spawnGated(command, account)
  const stopForwarding = forwardSignals(signal => child.kill(signal))
  try {
    await activate(child, socket, await eventBody(child, options, command))
    child.release()
    return await child.exitStatus
  } finally {
    stopForwarding()
  }
}

async function eventBody(
  { pid }: GatedChild,
  { name, label, port, alias = [], networkOnly = false }: RunOptions,
  [program]: readonly string[],
): Promise<EventBody> {
  // Only root is believed about what is going to be executed.
  const executable = process.geteuid?.() === 0 ? await executablePath(program!) : undefined
  return {
    event: 'start',
    type: 'linux-process',
    ...{ pid, name: name ?? basename(program!), tags: [...label], ports: [...port], aliases: [...alias] },
    options: { ...(networkOnly && { networkOnly: 'true' }), ...(executable && { executable }) },
  }
}

async function activate(child: GatedChild, socket: string, body: EventBody): Promise<void> {
  try {
    await askDaemon({ socket, method: 'POST', path: '/v1/events', body, timeoutMs: ACTIVATION_MS })
  } catch (error) {
    child.abandon()
    await child.exitStatus
    throw error
  }
}
