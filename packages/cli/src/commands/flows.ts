import type { IncomingMessage } from 'node:http'
import { openDaemonStream } from '../control/control-client.js'
import { findSocket } from '../control/find-socket.js'
import { CommandFailure, EXIT, messageOf } from '../failure.js'
import { type FlowSelection, flowFilter } from '../flow-filter.js'
import type { FlowJSON } from '../flow-json.js'
import { flowLine } from '../flow-line.js'
import { linesOf } from '../lines-of.js'
import { mergeViews } from '../merge-views.js'

export interface FlowsOptions extends FlowSelection {
  readonly socket?: string
  readonly follow?: boolean
  readonly json?: boolean
  /** The latest so many. */
  readonly lines?: string
}

/** Records that were forgotten before this reader took them. */
interface Skipped {
  readonly skipped: number
}

/**
 * `trireme flows`: a line per connection, with the view of both ends where both are known, oldest first. With `--json`, and with
 * `--follow`, which shows the coming ones too until the daemon stops, a line per record: each end's view for itself.
 */
export async function flowsCommand(options: FlowsOptions): Promise<number> {
  const { socket, follow = false, json = false } = options
  const isSelected = badInput(() => flowFilter(options))
  const count = badInput(() => lineCount(options.lines))
  const path = await findSocket(socket, EXIT.environment)
  const stream = await openDaemonStream({
    socket: path,
    method: 'GET',
    path: follow ? '/v1/flows?follow=1' : '/v1/flows',
  })
  const show = (flow: FlowJSON) => (json ? JSON.stringify(flow) : flowLine(flow))
  try {
    if (follow) {
      for await (const flow of records(stream)) if (isSelected(flow)) await print(show(flow))
      return 0
    }
    const all: FlowJSON[] = []
    for await (const flow of records(stream)) all.push(flow)
    const shown = (json ? all : mergeViews(all)).filter(isSelected)
    for (const flow of count === undefined ? shown : shown.slice(-count)) await print(show(flow))
  } catch (error) {
    throw new CommandFailure(EXIT.environment, `the daemon on ${path} went away: ${messageOf(error)}`)
  }
  return 0
}

async function* records(stream: IncomingMessage): AsyncGenerator<FlowJSON> {
  for await (const line of linesOf(stream)) {
    const entry = JSON.parse(line) as FlowJSON | Skipped
    if (!('skipped' in entry)) yield entry
    else process.stderr.write(`trireme: ${entry.skipped} records came too fast and are left out\n`)
  }
}

function lineCount(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new RangeError(`-n ${JSON.stringify(text)}: expected a number from 1 to 999999`)
}

function badInput<Result>(read: () => Result): Result {
  try {
    return read()
  } catch (error) {
    throw new CommandFailure(EXIT.badInput, messageOf(error))
  }
}

async function print(line: string): Promise<void> {
  process.stdout.write(`${line}\n`)
  if (process.stdout.writableNeedDrain) await new Promise(resolve => process.stdout.once('drain', resolve))
}
