import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { EventBody } from '@trireme/monitor-rpc'
import { pamHookScript, withoutSessionHook, withSessionHook } from '@trireme/monitor-user-session'
import { askDaemon } from '../control/control-client.js'
import { findSocket } from '../control/find-socket.js'
import { CommandFailure, EXIT, messageOf } from '../failure.js'
import { ownCommand } from '../own-command.js'
import { removeIfEmpty } from '../remove-if-empty.js'
import { requireRoot } from '../require-root.js'
import { userAccount } from '../user-account.js'

export interface SessionOptions {
  readonly socket?: string
}

export interface SessionHookOptions extends SessionOptions {
  /** Names of PAM services. */
  readonly service: readonly string[]
  readonly pamDir: string
  /** Where the script lies that PAM runs. */
  readonly hook: string
}

const ACTIVATION_MS = 60_000

/**
 * `trireme session open`, of the PAM hook, with what pam_exec(8) puts into the environment: the process that opens the session is in
 * the session's PU from now on. Root's own sessions are no PUs, so that he gets in when the daemon is down.
 */
export async function sessionOpen(options: SessionOptions): Promise<number> {
  const { PAM_USER: user = '', PAM_SERVICE: service = '', PAM_TTY, PAM_RHOST } = process.env
  if ((await userAccount(user)).uid === 0) return 0
  const details = { ...(PAM_TTY && { tty: PAM_TTY }), ...(PAM_RHOST && { remoteHost: PAM_RHOST }) }
  await tell(options, {
    event: 'start',
    ...SESSION,
    pid: process.ppid,
    options: { user, service, ...details },
  })
  return 0
}

/** `trireme session close`, of the PAM hook: what the session has started goes on in its PU; the process that closes it leaves. */
export async function sessionClose(options: SessionOptions): Promise<number> {
  // Nobody is kept from leaving.
  await tell(options, { event: 'stop', ...SESSION, pid: process.ppid }).catch(error => {
    process.stderr.write(`trireme: ${messageOf(error)}\n`)
  })
  return 0
}

const SESSION = { type: 'user-session' } as const

async function tell({ socket }: SessionOptions, body: EventBody): Promise<void> {
  const path = await findSocket(socket, EXIT.environment)
  await askDaemon({ socket: path, method: 'POST', path: '/v1/events', body, timeoutMs: ACTIVATION_MS })
}

/** `trireme session install`: sessions of these PAM services are PUs from now on. Idempotent. */
export async function sessionInstall(options: SessionHookOptions): Promise<number> {
  requireRoot('session install')
  const { service, pamDir, hook } = options
  const files = service.map(name => serviceFile(pamDir, name))
  const texts = await Promise.all(files.map(readService))
  const socket = await findSocket(options.socket, EXIT.environment)
  await mkdir(dirname(hook), { recursive: true, mode: 0o755 })
  await writeFile(`${hook}.new`, pamHookScript({ command: ownCommand(), socket }))
  await chmod(`${hook}.new`, 0o755)
  await rename(`${hook}.new`, hook)
  for (const [index, file] of files.entries()) await replace(file, withSessionHook(texts[index]!, hook))
  return 0
}

/** `trireme session remove`: the PAM services are as they were, and the script is gone. Idempotent. */
export async function sessionRemove({ service, pamDir, hook }: SessionHookOptions): Promise<number> {
  requireRoot('session remove')
  for (const name of service) {
    const file = serviceFile(pamDir, name)
    await replace(file, withoutSessionHook(await readService(file)))
  }
  await rm(hook, { force: true })
  await removeIfEmpty(dirname(hook))
  return 0
}

function serviceFile(pamDir: string, name: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name)) return join(pamDir, name)
  throw new CommandFailure(
    EXIT.badInput,
    `service ${JSON.stringify(name)}: expected the name of a file in ${pamDir}`,
  )
}

async function readService(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new CommandFailure(EXIT.badInput, `${file}: ${messageOf(cause)}: expected a PAM service`, { cause })
  }
}

/** As a whole or not at all: half a PAM service locks everybody out. */
async function replace(file: string, text: string): Promise<void> {
  const { mode } = await stat(file)
  await writeFile(`${file}.trireme`, text)
  await chmod(`${file}.trireme`, mode & 0o7777)
  await rename(`${file}.trireme`, file)
}
