import { openDaemonStream } from '../control/control-client.js'
import { findSocket } from '../control/find-socket.js'
import { CommandFailure, EXIT, messageOf } from '../failure.js'
import type { FlowJSON } from '../flow-json.js'
import { flowLine } from '../flow-line.js'
import { linesOf } from '../lines-of.js'

export interface FlowsOptions {
  readonly socket?: string
  readonly follow?: boolean
  readonly json?: boolean
}

/** Records that were forgotten before this reader took them. */
interface Skipped {
  readonly skipped: number
}

/** `trireme flows`: the latest records, oldest first; with `--follow` the coming ones too, until the daemon stops. */
export async function flowsCommand({ socket, follow = false, json = false }: FlowsOptions): Promise<number> {
  const path = await findSocket(socket, EXIT.environment)
  const stream = await openDaemonStream({
    socket: path,
    method: 'GET',
    path: follow ? '/v1/flows?follow=1' : '/v1/flows',
  })
  try {
    for await (const line of linesOf(stream)) {
      print(JSON.parse(line) as FlowJSON | Skipped, json)
      if (process.stdout.writableNeedDrain) await drained()
    }
  } catch (error) {
    throw new CommandFailure(EXIT.environment, `the daemon on ${path} went away: ${messageOf(error)}`)
  }
  return 0
}

function print(entry: FlowJSON | Skipped, json: boolean): void {
  if (!('skipped' in entry)) process.stdout.write(`${json ? JSON.stringify(entry) : flowLine(entry)}\n`)
  else process.stderr.write(`trireme: ${entry.skipped} records came too fast and are left out\n`)
}

function drained(): Promise<void> {
  return new Promise(resolve => process.stdout.once('drain', resolve))
}
