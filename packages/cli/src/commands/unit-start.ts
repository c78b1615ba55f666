import type { EventBody } from '@trireme/monitor-rpc'
import { askDaemon } from '../control/control-client.js'

export interface UnitStartOptions {
  readonly socket: string
  readonly name: string
  readonly label: readonly string[]
  readonly port: readonly string[]
  readonly alias: readonly string[]
  readonly networkOnly?: boolean
}

const ACTIVATION_MS = 60_000

/** `trireme unit-start`, of a unit's ExecStartPre: the cgroup in which this process is, is a PU from now on. */
export async function unitStartCommand(options: UnitStartOptions): Promise<number> {
  const { socket, name, label, port, alias, networkOnly = false } = options
  const body: EventBody = {
    event: 'start',
    type: 'linux-process',
    ...{ pid: process.pid, name, tags: [...label], ports: [...port], aliases: [...alias] },
    options: { scope: 'cgroup', networkOnly: String(networkOnly) },
  }
  await askDaemon({ socket, method: 'POST', path: '/v1/events', body, timeoutMs: ACTIVATION_MS })
  return 0
}
