/** The control socket as programs of any language use it, and what the daemon makes of their mistakes. */
import { chmod } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { type Host, makeHost } from '../harness/hosts.js'
import { WEB_POLICY } from '../harness/pair.js'
import { mustRun, runCommand } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'
import { WaitingProcess } from '../monitor/waiting-process.js'
import { postEvent } from './event-client.js'

/** Debian's `nobody` and `games`: on every machine, and nobody's login. */
const [NOBODY, GAMES] = [65534, 5]
const asUser = (uid: number) => ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--']

const teardown = new Teardown()
let host: Host
let daemon: Daemon

beforeAll(async () => {
  host = teardown.own(await makeHost())
  daemon = teardown.own(await Daemon.prepare(host, { policy: WEB_POLICY }))
  await daemon.writeConfig({ users: ['nobody', GAMES] })
  await chmod(daemon.folder, 0o711)
  await daemon.start()
})
afterAll(() => teardown.run())

const waiting = (uid?: number) =>
  teardown.own(new WaitingProcess('cat', host.namespace.inside(uid === undefined ? [] : asUser(uid))))
const socketOf = (uid: number) => join(dirname(daemon.socket), 'users', String(uid), 'control.sock')
const puOf = async (contextID: string | undefined) =>
  (await daemon.status()).pus.find(pu => (pu as { readonly id?: string }).id === contextID)
const refusal = (code: string) => ({ status: expect.toBeOneOf([400, 403]), body: { error: { code } } })

describe('events', () => {
  it('make a PU, stop it, start it again and end it', async () => {
    const child = waiting()
    const before = await child.cgroups()
    const created = await postEvent(daemon, {
      event: 'create',
      name: 'web',
      tags: ['app=web'],
      ports: ['80'],
    })
    expect(created.status).toBe(200)
    const { contextID } = created.body
    expect(await puOf(contextID)).toBeUndefined()
    expect((await postEvent(daemon, { event: 'start', contextID, pid: child.pid })).body).toEqual({
      contextID,
    })
    expect(await puOf(contextID)).toMatchObject({
      ...{ name: 'web', pid: child.pid, ports: ['80'], tags: expect.arrayContaining(['app=web']) },
    })
    expect(await child.cgroups()).toContain(contextID)
    for (const event of ['pause', 'unpause', 'stop']) {
      expect((await postEvent(daemon, { event, contextID })).body).toEqual({ contextID })
    }
    expect(await puOf(contextID)).toBeUndefined()
    expect(await child.cgroups()).toBe(before)
    await postEvent(daemon, { event: 'start', contextID, pid: child.pid })
    expect(await puOf(contextID)).toMatchObject({ name: 'web', ports: ['80'] })
    await postEvent(daemon, { event: 'destroy', contextID })
    expect(await child.cgroups()).toBe(before)
    expect(await postEvent(daemon, { event: 'stop', contextID })).toMatchObject(refusal('ERR_PU_UNKNOWN'))
  })

  it('come by nc as well', async () => {
    const child = waiting()
    const body = JSON.stringify({ event: 'start', pid: child.pid, tags: ['app=web'] })
    const head = `POST /v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${body.length}`
    // Some versions of nc hang up when their input ends.
    const stdout = await mustRun(['sh', '-c', '{ cat; sleep 1; } | nc -U "$0"', daemon.socket], {
      input: `${head}\r\n\r\n${body}`,
    })
    expect(stdout).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    const { contextID } = JSON.parse(stdout.slice(stdout.indexOf('{')))
    expect(await child.cgroups()).toContain(contextID)
  })
})

describe('users', () => {
  it('have a socket each, which others cannot use', async () => {
    const asGames = { socket: socketOf(NOBODY), as: asUser(GAMES) }
    await expect(postEvent(daemon, { event: 'create' }, asGames)).rejects.toThrow(/curl/)
    await expect(postEvent(daemon, { event: 'create' }, { as: asUser(GAMES) })).rejects.toThrow(/curl/)
  })

  it('make PUs of their own processes alone, and end only what they made', async () => {
    const [own, others, roots] = [waiting(NOBODY), waiting(GAMES), waiting()]
    const asNobody = { socket: socketOf(NOBODY), as: asUser(NOBODY) }
    await eventually('it is the user’s', async () =>
      /^Uid:\s+65534/m.test((await runCommand(['cat', `/proc/${own.pid}/status`])).stdout),
    )
    const start = (pid: number, options = {}) =>
      postEvent(daemon, { event: 'start', pid, options, tags: ['app=own'] }, asNobody)
    for (const pid of [others.pid, roots.pid, 1]) {
      expect(await start(pid)).toMatchObject(refusal('ERR_NOT_PERMITTED'))
    }
    expect(await start(own.pid, { scope: 'cgroup' })).toMatchObject(refusal('ERR_NOT_PERMITTED'))
    const { contextID } = (await start(own.pid)).body
    expect(await puOf(contextID)).toMatchObject({
      tags: expect.arrayContaining(['app=own', '@sys:uid=65534']),
    })
    const asGames = { socket: socketOf(GAMES), as: asUser(GAMES) }
    expect(await postEvent(daemon, { event: 'stop', contextID }, asGames)).toMatchObject(
      refusal('ERR_NOT_PERMITTED'),
    )
    expect(await postEvent(daemon, { event: 'destroy', contextID }, asNobody)).toMatchObject({ status: 200 })
  })

  it('do not get a process of theirs out of a PU that root made', async () => {
    const own = waiting(NOBODY)
    const { contextID } = (await postEvent(daemon, { event: 'start', pid: own.pid, tags: ['app=jail'] })).body
    const asNobody = { socket: socketOf(NOBODY), as: asUser(NOBODY) }
    for (const event of [
      { event: 'start', pid: own.pid },
      { event: 'stop', contextID },
    ]) {
      expect(await postEvent(daemon, event, asNobody)).toMatchObject(refusal('ERR_NOT_PERMITTED'))
    }
    expect(await own.cgroups()).toContain(contextID)
  })
})

describe('bad input', () => {
  const cases: readonly (readonly [string, unknown, RegExp])[] = [
    ['a process that is gone', { event: 'start', pid: 4_000_000 }, /no such process/],
    ['a number that no process has', { event: 'start', pid: 99_999_999 }, /pid/],
    ['no process', { event: 'start' }, /pid/],
    ['a name with a slash', { event: 'start', pid: 1, name: 'a/b' }, /name/],
    ['a name that leads up', { event: 'start', pid: 1, name: '..' }, /name/],
    ['port 0', { event: 'start', pid: 1, ports: ['0'] }, /port/],
    ['a reserved tag', { event: 'start', pid: 1, tags: ['@sys:uid=0'] }, /@sys:uid/],
    ['an unknown type', { event: 'start', pid: 1, type: 'vm' }, /type vm/],
    ['an unknown option', { event: 'start', pid: 1, options: { scop: 'x' } }, /scop/],
    ['an unknown scope', { event: 'start', pid: 1, options: { scope: 'x' } }, /scope/],
    ['a context ID that leads out', { event: 'stop', contextID: '../../etc' }, /etc/],
    ['a context ID that never was', { event: 'start', contextID: 'zzzzzzzzzzzz', pid: 1 }, /zzzz/],
    ['no JSON', '{"event":', /JSON/],
    ['too much', `{"event":"${'x'.repeat(70_000)}"}`, /longer/],
  ]
  it.each(cases)('%s', async (_, event, reason) => {
    const { status, body } = await postEvent(daemon, event)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(status).toBeLessThan(500)
    expect(body.error?.message).toMatch(reason)
  })

  it('a port that another PU has: nothing is left of the second, and the first goes on', async () => {
    const [first, second] = [waiting(), waiting()]
    const start = (pid: number) =>
      postEvent(daemon, { event: 'start', pid, ports: ['7777'], tags: ['app=x'] })
    const { contextID } = (await start(first.pid)).body
    const before = await second.cgroups()
    expect(await start(second.pid)).toMatchObject(refusal('ERR_PORT_TAKEN'))
    expect(await second.cgroups()).toBe(before)
    expect(await puOf(contextID)).toBeDefined()
    expect((await daemon.status()).pus.filter(pu => pu.pid === second.pid)).toEqual([])
  })

  it('1,000 connections and clients that stall: others are served', async () => {
    const idle: Socket[] = []
    teardown.add(() => {
      for (const socket of idle) socket.destroy()
    })
    await Promise.all(
      Array.from({ length: 1000 }, (_, index) => {
        const socket = connect(daemon.socket).on('error', () => {})
        idle.push(socket)
        return new Promise<void>(resolve =>
          socket.once('connect', () => {
            if (index % 2) socket.write('POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{')
            resolve()
          }),
        )
      }),
    )
    const child = waiting()
    const { status } = await postEvent(daemon, { event: 'start', pid: child.pid, tags: ['app=web'] })
    expect(status).toBe(200)
  })
})
