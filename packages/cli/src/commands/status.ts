import { askDaemon } from '../control/control-client.js'
import { findSocket } from '../control/find-socket.js'
import { EXIT } from '../failure.js'
import type { StatusReport } from '../status-report.js'
import { statusText } from '../status-text.js'

export interface StatusOptions {
  readonly socket?: string
  readonly json?: boolean
  readonly wide?: boolean
}

/** `trireme status`: ends with 0 if the daemon is ready. On a terminal, tags are cut to its width. */
export async function statusCommand({ socket, json = false, wide = false }: StatusOptions): Promise<number> {
  const path = await findSocket(socket, EXIT.environment)
  const report = (await askDaemon({ socket: path, method: 'GET', path: '/v1/status' })) as StatusReport
  const width = wide ? undefined : process.stdout.columns
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : statusText(report, width))
  return 0
}
