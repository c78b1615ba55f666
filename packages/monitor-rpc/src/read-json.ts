import type { IncomingMessage } from 'node:http'
import { HTTPProblem } from './http-problem.js'

/** The most that a request's body may have. */
export const MAX_BODY_BYTES = 64 * 1024

/**
 * The JSON value that a request's body holds.
 * @throws HTTPProblem 413 for a body over the limit, 400 for one that is not JSON.
 */
export async function readJSON(request: IncomingMessage): Promise<unknown> {
  const text = await readText(request)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new HTTPProblem(400, `the body is not JSON: ${(error as SyntaxError).message}`)
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  // Not for await: leaving that loop early destroys the connection before it can carry the answer.
  return new Promise((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > MAX_BODY_BYTES) {
        request.pause()
        reject(new HTTPProblem(413, `the body is longer than ${MAX_BODY_BYTES} bytes`))
      } else chunks.push(chunk)
    })
    request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
    request.on('error', reject)
  })
}
