import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PURequest, PURuntime } from '@trireme/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type SessionProcesses, type UserSessionMonitor, userSessionMonitor } from './user-session-monitor.js'

const ROOT = { uid: 0 }
/** Every machine has this user, and processes of his. */
const USER = { user: 'root', service: 'sshd', tty: 'pts/1' }

let stateDir: string
let events: string[]
let runtimes: Map<string, PURuntime>
let monitor: UserSessionMonitor

const handler = {
  setPURuntime: (contextID: string, runtime: PURuntime) => void runtimes.set(contextID, runtime),
  handlePUEvent: async (_: string, event: string) => void events.push(event),
}
const request = (options: Record<string, string>, event: PURequest['event'] = 'start'): PURequest => ({
  ...{ event, type: 'user-session', pid: 42, tags: [], ports: [], options },
})
const make = (processes?: SessionProcesses) =>
  userSessionMonitor({ stateDir, pollMs: 10_000 })({ handler, ...(processes && { processes }) })

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'trireme-sessions-'))
  events = []
  runtimes = new Map()
  monitor = make()
  await monitor.start()
})
afterEach(async () => {
  await monitor.stop()
  await rm(stateDir, { recursive: true, force: true })
})

describe('without cgroups', () => {
  it('all sessions of a user are one PU, told by the owner of its sockets, with the tags of each', async () => {
    const first = await monitor.handleRequest(request(USER), ROOT)
    expect(await monitor.handleRequest(request({ ...USER, service: 'su' }), ROOT)).toEqual(first)
    const runtime = runtimes.get(first.contextID)
    expect(runtime).toMatchObject({ kind: 'user-session', name: 'root', isolation: { by: 'owner', uid: 0 } })
    const tags = runtime?.tags.map(({ key, value }) => `${key}=${value}`)
    expect(tags).toEqual(
      expect.arrayContaining(['user=root', 'group=root', 'service=sshd', 'service=su', '@sys:tty=pts/1']),
    )
    expect(events).toEqual(['start', 'start'])
  })

  it('comes back in another process under the same identity', async () => {
    const { contextID } = await monitor.handleRequest(request(USER), ROOT)
    const before = runtimes.get(contextID)
    await monitor.stop()
    runtimes.clear()
    monitor = make()
    await monitor.start()
    expect(runtimes.get(contextID)).toEqual(before)
  })
})

it('with cgroup v2 the process that opens becomes a PU of its own, and leaves it when it closes', async () => {
  const done: unknown[] = []
  const processes: SessionProcesses = {
    hierarchy: () => 'v2',
    run: async ({ pid, name, tags, facts }) => {
      done.push([
        pid,
        name,
        tags.every(tag => !tag.key.startsWith('@')),
        facts.every(tag => tag.key.startsWith('@')),
      ])
      return { contextID: 'c1' }
    },
    dismiss: async pid => void done.push(['dismissed', pid]),
  }
  await monitor.stop()
  monitor = make(processes)
  await monitor.start()
  expect(await monitor.handleRequest(request(USER), ROOT)).toEqual({ contextID: 'c1' })
  await monitor.handleRequest(request({}, 'stop'), ROOT)
  expect(done).toEqual([
    [42, 'root-sshd', true, true],
    ['dismissed', 42],
  ])
})

it.each([
  [{ user: '--help', service: 'su' }, /option user/],
  [{ user: 'a/b', service: 'su' }, /option user/],
  [{ user: 'root', service: '' }, /option service/],
  [{ user: 'no-such-user-here', service: 'su' }, /no such user/],
])('refuses %j', async (options, reason) => {
  await expect(monitor.handleRequest(request(options), ROOT)).rejects.toThrow(reason)
})

it('hears root alone', async () => {
  await expect(monitor.handleRequest(request(USER), { uid: 1000 })).rejects.toMatchObject({
    code: 'ERR_NOT_PERMITTED',
  })
})
