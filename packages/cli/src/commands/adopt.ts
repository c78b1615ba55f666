import type { EventBody } from '@trireme/monitor-rpc'
import { askDaemon } from '../control/control-client.js'
import { findSocket } from '../control/find-socket.js'
import { EXIT } from '../failure.js'

export interface AdoptOptions {
  readonly socket?: string
  readonly name?: string
  readonly label: readonly string[]
  readonly port: readonly string[]
  readonly alias: readonly string[]
  readonly keepConnections?: boolean
}

/** Processes are moved one by one, and connections are ended. */
const ADOPTION_MS = 60_000

/**
 * `trireme adopt PID`: a process that runs, and its descendants, become a PU. What listens already is found by its ports; connections
 * from before are reset, for no rule finds them.
 */
export async function adoptCommand(options: AdoptOptions, pid: string): Promise<number> {
  const { name, label, port, alias, keepConnections = false } = options
  const body: EventBody = {
    event: 'start',
    type: 'linux-process',
    ...{ pid: Number(pid), tags: [...label], ports: [...port], aliases: [...alias] },
    ...(name === undefined ? {} : { name }),
    options: { scope: 'tree', keepConnections: String(keepConnections) },
  }
  const socket = await findSocket(options.socket, EXIT.environment)
  const answer = await askDaemon({ socket, method: 'POST', path: '/v1/events', body, timeoutMs: ADOPTION_MS })
  process.stdout.write(`${(answer as { readonly contextID: string }).contextID}\n`)
  return 0
}
