import { link, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nullSecrets, type PUCaller, type PURequest } from '@trireme/core'
import { MAX_BODY_BYTES } from '@trireme/monitor-rpc'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exitStatusOf } from '../failure.js'
import { FlowLog } from '../flow-log.js'
import { noHandlers } from '../testing/no-handlers.js'
import { sampleFlow } from '../testing/sample-flow.js'
import { askDaemon, DaemonUnreachable, openDaemonStream } from './control-client.js'
import type { ControlHandlers } from './control-routes.js'
import { type ControlSocket, openControlSocket, removeSocket } from './control-socket.js'

let folder: string
let path: string
let flows: FlowLog
let ran: { request: PURequest; caller: PUCaller }[]
let socket: ControlSocket
let connections: Socket[]

const status = { serverID: 'host-a' } as ReturnType<ControlHandlers['status']>
const handlers = (): ControlHandlers => ({
  ...noHandlers,
  events: {
    async handleRequest(request, caller) {
      ran.push({ request, caller })
      if (request.name === 'defect') throw new Error('a defect')
      return { contextID: 'abcdef012345' }
    },
  },
  status: () => status,
  flows: reading => flows.read(reading),
  rotate: async () => ({
    secrets: [nullSecrets({ allow: true })],
    mode: 'psk',
    keyID: '0a',
    accepts: ['pki'],
  }),
  uninstall: async () => {},
})

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-control-'))
  path = join(folder, 'run', 'a.sock')
  flows = new FlowLog()
  ran = []
  connections = []
  socket = await openControlSocket({ path, limits: { requestMs: 300 } })
})
afterEach(async () => {
  for (const connection of connections) connection.destroy()
  await socket.close()
  await rm(folder, { recursive: true, force: true })
})

function dial(): Socket {
  const connection = connect(path).on('error', () => {})
  connections.push(connection)
  return connection
}

/** What the daemon says to these bytes until it ends the connection. */
function say(bytes: string): Promise<string> {
  const connection = dial()
  connection.write(bytes)
  return new Promise(resolve => {
    let answer = ''
    connection.on('data', chunk => (answer += chunk))
    connection.on('close', () => resolve(answer))
  })
}

const post = (body: string, length = Buffer.byteLength(body)) =>
  say(`POST /v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${length}\r\n\r\n${body}`)
const getStatus = () => askDaemon({ socket: path, method: 'GET', path: '/v1/status' })

describe('the control socket', () => {
  it('is for its owner alone', async () => {
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('answers that the daemon is not ready until it is', async () => {
    await expect(getStatus()).rejects.toMatchObject({ exitStatus: 3, message: /not ready/ })
    socket.serve(handlers())
    expect(await getStatus()).toEqual(status)
  })

  it('has the secrets read again, and answers without them', async () => {
    socket.serve(handlers())
    const answer = await askDaemon({ socket: path, method: 'POST', path: '/v1/secrets' })
    expect(answer).toEqual({ mode: 'psk', keyID: '0a', accepts: ['pki'] })
  })

  it('is refused to a second daemon, and the first goes on', async () => {
    socket.serve(handlers())
    expect(await statusOfOpening(path)).toEqual([3, expect.stringMatching(/another daemon/)])
    expect(await getStatus()).toEqual(status)
  })

  it('is gone when it is closed', async () => {
    await socket.close()
    await expect(getStatus()).rejects.toBeInstanceOf(DaemonUnreachable)
    await expect(stat(path)).rejects.toThrow('ENOENT')
  })

  it('takes the place of one whose daemon is gone', async () => {
    const stale = join(folder, 'stale.sock')
    await leaveStale(stale)
    const second = await openControlSocket({ path: stale })
    await second.close()
    await leaveStale(stale)
    await removeSocket(stale)
    await expect(stat(stale)).rejects.toThrow('ENOENT')
  })

  it('does not take the place of a file', async () => {
    const file = join(folder, 'file')
    await writeFile(file, 'precious')
    expect(await statusOfOpening(file)).toEqual([3, expect.stringContaining(file)])
    expect((await stat(file)).size).toBe(8)
  })

  it('has a path that fits into an address', async () => {
    expect(await statusOfOpening(`/tmp/${'x'.repeat(120)}`)).toEqual([2, expect.stringMatching(/107/)])
  })
})

describe('requests', () => {
  beforeEach(() => socket.serve(handlers()))

  it('hands an event over in core’s terms', async () => {
    const body = {
      event: 'start',
      pid: 42,
      name: 'web',
      tags: ['app=web', 'a=b=c'],
      ports: ['80', '8000-8100', 'auto'],
    }
    expect(await askDaemon({ socket: path, method: 'POST', path: '/v1/events', body })).toEqual({
      contextID: 'abcdef012345',
    })
    expect(ran).toEqual([
      {
        caller: { uid: 0 },
        request: {
          event: 'start',
          type: 'linux-process',
          pid: 42,
          name: 'web',
          tags: [
            { key: 'app', value: 'web' },
            { key: 'a', value: 'b=c' },
          ],
          ports: [
            { first: 80, last: 80 },
            { first: 8000, last: 8100 },
          ],
          discoverPorts: true,
          options: {},
        },
      },
    ])
  })

  it.each([
    ['no JSON', '{"pid": 1,', 400, /not JSON/],
    ['nothing', '', 400, /not JSON/],
    ['no object', '[1]', 400, /body/],
    ['no event', '{}', 400, /event/],
    ['an unknown event', '{"event":"die"}', 400, /event/],
    ['a process that is text', '{"event":"start","pid":"1"}', 400, /pid/],
    ['an unknown key', '{"event":"start","label":[]}', 400, /label/],
    ['a bad tag', '{"event":"start","tags":["app"]}', 400, /app/],
    ['a bad port', '{"event":"start","ports":["0"]}', 400, /port/],
    ['an option that is no text', '{"event":"start","options":{"a":1}}', 400, /options.a/],
    ['a defect of ours', '{"event":"start","name":"defect"}', 500, /a defect/],
    ['too much', `{"event":"start","name":"${'x'.repeat(MAX_BODY_BYTES)}"}`, 413, /longer than/],
  ])('answers %s with a reason', async (_, body, code, reason) => {
    const answer = await post(body)
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${code} `))
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))).error.message).toMatch(reason)
    expect(await getStatus()).toEqual(status)
  })

  it.each([
    ['GET /v2/status', 404],
    ['DELETE /v1/status', 405],
    ['GET /v1/uninstall', 405],
    ['GET //', 404],
  ])('refuses %s', async (line, code) => {
    expect(await say(`${line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)).toMatch(
      new RegExp(`^HTTP/1.1 ${code} `),
    )
  })

  it('refuses what is not HTTP', async () => {
    expect(await say('hello?\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /)
    expect(await say(`GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /)
  })

  it('ends clients that stall, and serves others meanwhile', async () => {
    const silent = say('')
    const inHead = say('POST /v1/events HTTP/1.1\r\nhost')
    const inBody = post('{"pid":', 100)
    expect(await getStatus()).toEqual(status)
    expect(await inHead).toMatch(/^HTTP\/1.1 408 /)
    expect(await inBody).toMatch(/^HTTP\/1.1 408 /)
    await silent
    expect(ran).toEqual([])
  })

  it('serves others while a thousand connections idle', async () => {
    const idle = Array.from({ length: 1000 }, dial)
    await Promise.all(idle.map(connection => new Promise(resolve => connection.once('connect', resolve))))
    expect(await getStatus()).toEqual(status)
  })
})

describe('flows', () => {
  beforeEach(() => socket.serve(handlers()))
  const open = (query = '') => openDaemonStream({ socket: path, method: 'GET', path: `/v1/flows${query}` })

  it('come one a line', async () => {
    for (let n = 0; n < 300; n++) flows.collectFlowEvent(sampleFlow({ id: String(n) }))
    const text = (await (await open()).toArray()).join('')
    expect(text.split('\n')).toHaveLength(301)
  })

  it('are followed until the daemon stops', async () => {
    const stream = await open('?follow=1')
    flows.collectFlowEvent(sampleFlow({ id: 'live' }))
    const chunks = stream[Symbol.asyncIterator]()
    expect(String((await chunks.next()).value)).toContain('"id":"live"')
    flows.close()
    expect((await chunks.next()).done).toBe(true)
  })

  it('do not outlive their reader', async () => {
    const stream = await open('?follow=1')
    stream.destroy()
    await socket.close()
  })
})

/** How a command would end that cannot have the socket, and what it would say. */
async function statusOfOpening(at: string): Promise<[number, string]> {
  const error = await openControlSocket({ path: at }).then(
    () => new Error('opened'),
    (reason: Error) => reason,
  )
  return [exitStatusOf(error), error.message]
}

/** A socket file as a killed process leaves it: closing an unlinked server's name keeps a copy made by hard link. */
async function leaveStale(at: string): Promise<void> {
  const server = createServer()
  const original = `${at}.original`
  await new Promise<void>(resolve => server.listen(original, resolve))
  await link(original, at)
  await new Promise(resolve => server.close(resolve))
}
