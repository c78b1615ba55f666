import { type AuthDescription, describeAuth } from '../auth/describe-auth.js'
import { askDaemon } from '../control/control-client.js'
import { findSocket } from '../control/find-socket.js'
import { EXIT } from '../failure.js'

export interface RotateOptions {
  readonly socket?: string
}

/** Every PU gets a new record before the new secrets count. */
const ROTATE_MS = 60_000

/** `trireme keys rotate`: resolves when the daemon uses the secrets that its configuration names now. Answers with what to print. */
export async function rotateKeys({ socket }: RotateOptions): Promise<string> {
  const path = await findSocket(socket, EXIT.environment)
  const request = { socket: path, method: 'POST', path: '/v1/secrets', timeoutMs: ROTATE_MS } as const
  return `in force: ${describeAuth((await askDaemon(request)) as AuthDescription)}\n`
}
