import { mkdtemp, rm, stat } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Monitor, type PURequestProcessor, TriremeError } from '@trireme/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { rpcMonitor } from './rpc-monitor.js'

let folder: string
let path: string
let heard: string[]
let monitor: Monitor

const processor = (name: string): PURequestProcessor => ({
  async handleRequest({ event, contextID = `${name}-1` }, { uid }) {
    if (event === 'pause') throw new TriremeError('ERR_PU_UNKNOWN', 'never heard of it')
    heard.push(`${name}: ${event} by ${uid}`)
    return { contextID }
  },
})

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-rpc-'))
  path = join(folder, 'a.sock')
  heard = []
  monitor = rpcMonitor({ sockets: [{ path }] })({
    processors: { 'linux-process': processor('linux'), vm: processor('vm') },
  })
  await monitor.start()
})
afterEach(async () => {
  await monitor.stop()
  await rm(folder, { recursive: true, force: true })
})

async function post(body: unknown): Promise<{ readonly status: number; readonly body: unknown }> {
  const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    const options = { socketPath: path, path: '/v1/events', method: 'POST', agent: false }
    request(options).once('response', resolve).once('error', reject).end(JSON.stringify(body))
  })
  return { status: response.statusCode!, body: JSON.parse(await text(response)) }
}

describe('rpcMonitor', () => {
  it('hands each event to the processor of its type', async () => {
    expect(await post({ event: 'start', pid: process.pid })).toEqual({
      status: 200,
      body: { contextID: 'linux-1' },
    })
    expect(await post({ event: 'stop', type: 'vm', contextID: 'vm-9' })).toEqual({
      status: 200,
      body: { contextID: 'vm-9' },
    })
    expect(heard).toEqual(['linux: start by 0', 'vm: stop by 0'])
  })

  it('says what was wrong', async () => {
    expect(await post({ event: 'start', type: 'pod' })).toMatchObject({
      status: 400,
      body: {
        error: { code: 'ERR_UNSUPPORTED_KIND', message: expect.stringContaining('linux-process, vm') },
      },
    })
    expect(await post({ event: 'pause', contextID: 'x' })).toEqual({
      status: 400,
      body: { error: { code: 'ERR_PU_UNKNOWN', message: 'never heard of it' } },
    })
    expect(heard).toEqual([])
  })

  it('is for its owner alone, and gone when it is stopped', async () => {
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    await expect(monitor.start()).rejects.toMatchObject({ code: 'ERR_ALREADY_STARTED' })
    await monitor.stop()
    await monitor.stop()
    await expect(stat(path)).rejects.toThrow('ENOENT')
  })
})
