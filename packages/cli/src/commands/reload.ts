import { describeAuth } from '../auth/describe-auth.js'
import { askDaemon } from '../control/control-client.js'
import { findSocket } from '../control/find-socket.js'
import { EXIT } from '../failure.js'
import { printable } from '../printable.js'
import { describePolicy, type Reloaded, type ReloadReport } from '../reload.js'

export interface ReloadOptions {
  readonly socket?: string
  readonly check?: boolean
}

/** Every PU may get another record and another policy. */
const RELOAD_MS = 60_000

/** `trireme reload`: ends with 0 when all is in force that the files say now, with 2 where one of them will not do. */
export async function reloadCommand({ socket, check = false }: ReloadOptions): Promise<number> {
  const path = await findSocket(socket, EXIT.environment)
  const request = { socket: path, method: 'POST', timeoutMs: RELOAD_MS } as const
  const answer = await askDaemon({ ...request, path: check ? '/v1/reload?check=1' : '/v1/reload' })
  const { secrets, policy } = answer as ReloadReport
  const state = check ? 'would be in force' : 'in force'
  const said = [
    say(`secrets ${state}`, 'secrets', secrets, describeAuth),
    say(`policy ${state}`, 'policy', policy, describePolicy),
  ]
  return said.every(Boolean) ? 0 : EXIT.badInput
}

/** Whether the part is good. */
function say<Part extends object>(
  state: string,
  name: string,
  part: Reloaded<Part>,
  describe: (part: Part) => string,
): boolean {
  if (!('error' in part)) {
    process.stdout.write(`${printable(`${state}: ${describe(part)}`)}\n`)
    return true
  }
  for (const line of part.error.split('\n')) process.stderr.write(`trireme: ${printable(line)}\n`)
  process.stderr.write(`trireme: the ${name} in force stay as they were\n`)
  return false
}
