import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { TriremeError } from '@trireme/core'
import type { RunRequest } from '@trireme/monitor-linux-cgroup'
import type { LoadedAuth } from '../auth/load-secrets.js'
import { messageOf } from '../failure.js'
import type { FlowReading } from '../flow-log.js'
import type { StatusReport } from '../status-report.js'
import { HTTPProblem } from './http-problem.js'
import { readJSON } from './read-json.js'
import { parseRunBody } from './run-body.js'

/** What a daemon answers with. */
export interface ControlHandlers {
  run(request: RunRequest): Promise<{ readonly contextID: string }>
  status(): StatusReport
  /** JSON texts of whole lines. */
  flows(reading: FlowReading): AsyncIterable<string>
  /** Reads the configured secrets again and puts them in force, or throws and changes nothing. */
  rotate(): Promise<LoadedAuth>
  /** The daemon ends after the answer. */
  uninstall(): Promise<void>
}

/** How long clients may take. */
export interface ControlLimits {
  /** For a whole request. Default 10,000. */
  readonly requestMs?: number
  readonly maxConnections?: number
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
}

type Route = (exchange: Exchange, handlers: ControlHandlers) => Promise<void>

const ROUTES: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
  '/v1/pus': {
    POST: async ({ request, response }, handlers) =>
      answer(response, 201, await handlers.run(parseRunBody(await readJSON(request)))),
  },
  '/v1/status': {
    GET: async ({ response }, handlers) => answer(response, 200, handlers.status()),
  },
  '/v1/flows': { GET: streamFlows },
  '/v1/secrets': {
    POST: async ({ response }, handlers) => {
      const { mode, keyID, accepts } = await handlers.rotate()
      answer(response, 200, { mode, keyID, accepts })
    },
  },
  '/v1/uninstall': {
    POST: async ({ response }, handlers) => {
      await handlers.uninstall()
      answer(response, 200, {})
    },
  },
}

/**
 * The control protocol: HTTP/1.1 with JSON bodies. A problem is `{ error: { message, code? } }` with a status of 400 or more.
 *
 * - `POST /v1/pus` with a `RunBody` → 201 `{ contextID }`
 * - `GET /v1/status` → 200 `StatusReport`
 * - `GET /v1/flows[?follow=1]` → 200, one `FlowJSON` a line
 * - `POST /v1/secrets` → 200 `{ mode, keyID, accepts }`, when the secrets that were read again are in force
 * - `POST /v1/uninstall` → 200 `{}`
 *
 * @param handlers undefined while the daemon is not ready: every request gets 503 then.
 */
export function controlServer(
  handlers: () => ControlHandlers | undefined,
  { requestMs = 10_000, maxConnections = 2048 }: ControlLimits = {},
): Server {
  const server = createServer(
    {
      requestTimeout: requestMs,
      headersTimeout: requestMs,
      connectionsCheckingInterval: Math.min(1000, requestMs),
      keepAliveTimeout: 1000,
      maxHeaderSize: 8192,
    },
    (request, response) => void serve({ request, response, url: urlOf(request) }, handlers()),
  )
  server.maxConnections = maxConnections
  return server
}

async function serve(exchange: Exchange, handlers: ControlHandlers | undefined): Promise<void> {
  const { request, response, url } = exchange
  // A client that leaves in mid-answer is no event for the daemon.
  response.on('error', () => {})
  try {
    if (!handlers) throw new HTTPProblem(503, 'the daemon is not ready')
    const methods = ROUTES[url.pathname]
    if (!methods) throw new HTTPProblem(404, `no such resource: ${url.pathname}`)
    const route = methods[request.method ?? '']
    if (!route) throw new HTTPProblem(405, `${url.pathname} takes ${Object.keys(methods).join(', ')}`)
    await route(exchange, handlers)
  } catch (error) {
    if (response.headersSent) response.destroy()
    else answerError(response, error)
  }
}

async function streamFlows({ response, url }: Exchange, handlers: ControlHandlers): Promise<void> {
  const left = new AbortController()
  response.on('close', () => left.abort())
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  response.flushHeaders()
  const follow = url.searchParams.get('follow') === '1'
  await pipeline(Readable.from(handlers.flows({ follow, signal: left.signal })), response)
}

function answerError(response: ServerResponse, error: unknown): void {
  const code = error instanceof TriremeError ? { code: error.code } : {}
  // What a client may still be sending is not read: the connection has to end.
  response.setHeader('connection', 'close')
  answer(response, httpStatusOf(error), { error: { message: messageOf(error), ...code } })
}

function httpStatusOf(error: unknown): number {
  if (error instanceof HTTPProblem) return error.status
  const isCallers = error instanceof TriremeError || error instanceof RangeError || error instanceof TypeError
  return isCallers ? 400 : 500
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
}

function urlOf(request: IncomingMessage): URL {
  try {
    return new URL(request.url ?? '/', 'http://localhost')
  } catch {
    return new URL('http://localhost/')
  }
}
