import type { EventBody } from '@trireme/monitor-rpc'
import { askDaemon } from '../control/control-client.js'
import { findSocket } from '../control/find-socket.js'
import { EXIT, messageOf } from '../failure.js'
import { userAccount } from '../user-account.js'

export interface SessionOptions {
  readonly socket?: string
}

const ACTIVATION_MS = 60_000

/**
 * `trireme session open`, of the PAM hook, with the variables of pam_exec(8) that it lets through: the process that opens the session
 * is in the session's PU from now on. Root's own sessions are no PUs, so that he gets in when the daemon is down.
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
