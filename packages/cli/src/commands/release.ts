import type { EventBody } from '@trireme/monitor-rpc'
import { askDaemon } from '../control/control-client.js'
import { findSocket } from '../control/find-socket.js'
import { CommandFailure, EXIT, messageOf } from '../failure.js'

export interface ReleaseOptions {
  readonly socket?: string
}

/** Processes are moved one by one. */
const RELEASE_MS = 60_000

/**
 * `trireme release PID|ID`: the PU, or that of the process, is enforced no more; its processes go on where they came from. The inverse
 * of `adopt`, and of `run` as far as enforcement goes.
 */
export async function releaseCommand({ socket }: ReleaseOptions, pu: string): Promise<number> {
  const isPID = /^[1-9]\d{0,6}$/.test(pu)
  const body: EventBody = {
    event: 'destroy',
    type: 'linux-process',
    ...(isPID ? { pid: Number(pu) } : { contextID: pu }),
  }
  const path = await findSocket(socket, EXIT.environment)
  try {
    const request = { socket: path, method: 'POST', path: '/v1/events', body, timeoutMs: RELEASE_MS } as const
    const { contextID } = (await askDaemon(request)) as { readonly contextID: string }
    process.stdout.write(`${contextID}\n`)
    return 0
  } catch (error) {
    if (!(error instanceof CommandFailure) || error.exitStatus !== EXIT.badInput) throw error
    throw new CommandFailure(EXIT.badInput, `${messageOf(error)}: ${HINT}`)
  }
}

const HINT =
  '`trireme status` lists the PUs; a container is released by its end, a service of systemd by `trireme unprotect` and a restart'
