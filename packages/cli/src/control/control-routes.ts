import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { PURequestProcessor } from '@trireme/core'
import { answer, type Exchange, eventRoutes, type Routes } from '@trireme/monitor-rpc'
import type { LoadedAuth } from '../auth/load-secrets.js'
import type { FlowReading } from '../flow-log.js'
import type { ReloadReport } from '../reload.js'
import type { StatusReport } from '../status-report.js'

/** What a daemon answers with. */
export interface ControlHandlers {
  /** Carries out events of PUs. */
  readonly events: PURequestProcessor
  status(): StatusReport
  /** JSON texts of whole lines. */
  flows(reading: FlowReading): AsyncIterable<string>
  /** Reads the configured secrets again and puts them in force, or throws and changes nothing. */
  rotate(): Promise<LoadedAuth>
  /** Reads secrets and policy again and puts them in force; `check` only says what would change. */
  reload(check: boolean): Promise<ReloadReport>
  /** The daemon ends after the answer. */
  uninstall(): Promise<void>
}

/**
 * What root's control socket answers.
 *
 * - `POST /v1/events` with an `EventBody` → 200 `{ contextID }`
 * - `GET /v1/status` → 200 `StatusReport`
 * - `GET /v1/flows[?follow=1]` → 200, one `FlowJSON` a line
 * - `POST /v1/secrets` → 200 `{ mode, keyID, accepts }`, when the secrets that were read again are in force
 * - `POST /v1/reload[?check=1]` → 200 `ReloadReport`: of secrets and policy, what is in force now, or `{ error }` and what was stays
 * - `POST /v1/uninstall` → 200 `{}`
 */
export function controlRoutes(handlers: ControlHandlers): Routes {
  return {
    ...eventRoutes(handlers.events, { uid: 0 }),
    '/v1/status': {
      GET: async ({ response }) => answer(response, 200, handlers.status()),
    },
    '/v1/flows': { GET: exchange => streamFlows(exchange, handlers) },
    '/v1/secrets': {
      POST: async ({ response }) => {
        const { mode, keyID, accepts } = await handlers.rotate()
        answer(response, 200, { mode, keyID, accepts })
      },
    },
    '/v1/reload': {
      POST: async ({ response, url }) =>
        answer(response, 200, await handlers.reload(url.searchParams.get('check') === '1')),
    },
    '/v1/uninstall': {
      POST: async ({ response }) => {
        await handlers.uninstall()
        answer(response, 200, {})
      },
    },
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
