import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { CommandFailure, EXIT } from '../failure.js'

/** One request to a daemon. */
export interface ControlRequest {
  readonly socket: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: unknown
  /** For the whole answer. Default 10,000. */
  readonly timeoutMs?: number
}

/** No daemon listens on the socket. */
export class DaemonUnreachable extends CommandFailure {
  constructor(socket: string) {
    super(EXIT.environment, `no daemon answers on ${socket}: start one with \`trireme daemon --config FILE\``)
  }
}

/**
 * The daemon's answer.
 * @throws CommandFailure with the daemon's message, or saying that none answers.
 */
export async function askDaemon(control: ControlRequest): Promise<unknown> {
  const { socket, timeoutMs = 10_000 } = control
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    const response = await send(control, timeout)
    return parse(await text(response), socket)
  } catch (error) {
    if (!timeout.aborted) throw error
    throw new CommandFailure(
      EXIT.environment,
      `the daemon on ${socket} did not answer within ${timeoutMs} ms`,
    )
  }
}

/** The daemon's answer as it comes, for as long as it comes. */
export function openDaemonStream(control: ControlRequest): Promise<IncomingMessage> {
  return send(control)
}

async function send(control: ControlRequest, signal?: AbortSignal): Promise<IncomingMessage> {
  const { socket, method, path, body } = control
  const content = body === undefined ? undefined : JSON.stringify(body)
  const outgoing = request({
    socketPath: socket,
    method,
    path,
    agent: false,
    ...(signal && { signal }),
    headers:
      content === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) },
  })
  const response = await answerTo(outgoing, content, socket)
  const { statusCode = 500 } = response
  if (statusCode < 400) return response
  const exitStatus = statusCode === 400 ? EXIT.badInput : EXIT.environment
  throw new CommandFailure(exitStatus, problemOf(await text(response), socket))
}

function answerTo(
  outgoing: ClientRequest,
  content: string | undefined,
  socket: string,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once('response', resolve)
    outgoing.once('error', (error: NodeJS.ErrnoException) => reject(unreachable(error, socket)))
    outgoing.end(content)
  })
}

function unreachable(error: NodeJS.ErrnoException, socket: string): Error {
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') {
    return new DaemonUnreachable(socket)
  }
  if (error.code === 'EACCES') {
    return new CommandFailure(EXIT.environment, `not allowed to use ${socket}: run this as root`)
  }
  return new CommandFailure(EXIT.environment, `the daemon on ${socket} did not answer: ${error.message}`)
}

function problemOf(content: string, socket: string): string {
  const answer = parse(content, socket) as { readonly error?: { readonly message?: unknown } }
  return String(answer.error?.message ?? `the daemon on ${socket} failed without a reason`)
}

function parse(content: string, socket: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    throw new CommandFailure(
      EXIT.environment,
      `${socket} answered something else than JSON: no trireme daemon?`,
    )
  }
}
