import type { PUCaller, PURequestProcessor } from '@trireme/core'
import { answer, type Routes } from './json-server.js'
import { parseRequest } from './parse-request.js'
import { readJSON } from './read-json.js'

/** `POST /v1/events` with an `EventBody` → 200 `{ contextID }`, all in the name of one caller. */
export function eventRoutes(processor: PURequestProcessor, caller: PUCaller): Routes {
  return {
    '/v1/events': {
      POST: async ({ request, response }) =>
        answer(response, 200, await processor.handleRequest(parseRequest(await readJSON(request)), caller)),
    },
  }
}
