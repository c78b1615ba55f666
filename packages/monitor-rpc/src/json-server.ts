import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { TriremeError } from '@trireme/core'
import { HTTPProblem } from './http-problem.js'

/** How long clients may take, and how many there may be. */
export interface ServerLimits {
  /** For a whole request. Default 10,000. */
  readonly requestMs?: number
  /** Default 2,048. */
  readonly maxConnections?: number
}

/** One request that is being answered. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
}

/** Answers one request, or rejects: with HTTPProblem for a status of its own, else as `answerError` says. */
export type Route = (exchange: Exchange) => Promise<void>

/** By path and method. */
export type Routes = Readonly<Record<string, Readonly<Record<string, Route>>>>

/**
 * HTTP/1.1 with JSON bodies. A problem is `{ error: { message, code? } }` with a status of 400 or more; a client that stalls is
 * ended with 408.
 * @param routes undefined while nobody is ready to answer: every request gets 503 then.
 */
export function jsonServer(
  routes: () => Routes | undefined,
  { requestMs = 10_000, maxConnections = 2048 }: ServerLimits = {},
): Server {
  const server = createServer(
    {
      requestTimeout: requestMs,
      headersTimeout: requestMs,
      connectionsCheckingInterval: Math.min(1000, requestMs),
      keepAliveTimeout: 1000,
      maxHeaderSize: 8192,
    },
    (request, response) => void serve({ request, response, url: urlOf(request) }, routes()),
  )
  server.maxConnections = maxConnections
  return server
}

/** Ends the exchange with this status and this value. */
export function answer(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
}

async function serve(exchange: Exchange, routes: Routes | undefined): Promise<void> {
  const { request, response, url } = exchange
  // A client that leaves in mid-answer is no event for us.
  response.on('error', () => {})
  try {
    if (!routes) throw new HTTPProblem(503, 'the daemon is not ready')
    const methods = Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined
    if (!methods) throw new HTTPProblem(404, `no such resource: ${url.pathname}`)
    const route = methods[request.method ?? '']
    if (!route) throw new HTTPProblem(405, `${url.pathname} takes ${Object.keys(methods).join(', ')}`)
    await route(exchange)
  } catch (error) {
    if (response.headersSent) response.destroy()
    else answerError(response, error)
  }
}

function answerError(response: ServerResponse, error: unknown): void {
  const code = error instanceof TriremeError ? { code: error.code } : {}
  const message = error instanceof Error ? error.message : String(error)
  // What a client may still be sending is not read: the connection has to end.
  response.setHeader('connection', 'close')
  answer(response, httpStatusOf(error), { error: { message, ...code } })
}

function httpStatusOf(error: unknown): number {
  if (error instanceof HTTPProblem) return error.status
  if (error instanceof TriremeError && error.code === 'ERR_NOT_PERMITTED') return 403
  const isCallers = error instanceof TriremeError || error instanceof RangeError || error instanceof TypeError
  return isCallers ? 400 : 500
}

function urlOf(request: IncomingMessage): URL {
  try {
    return new URL(request.url ?? '/', 'http://localhost')
  } catch {
    return new URL('http://localhost/')
  }
}
