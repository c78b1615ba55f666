/** `trireme adopt`: what covers the sockets that a process had before. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { program, TRIREME } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { type Host, makeTwoHosts } from '../harness/hosts.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { BATCH, FRONTEND, WEB_POLICY } from '../harness/pair.js'
import { connectAsPU, connectPlainly } from '../harness/processing-unit.js'
import { runCommand } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'

const teardown = new Teardown()
let a: Host
let b: Host
let client: Daemon
let server: Daemon

beforeEach(async () => {
  const hosts = teardown.own(await makeTwoHosts())
  a = hosts.a
  b = hosts.b
  server = teardown.own(await Daemon.start(b, { policy: WEB_POLICY }))
  client = teardown.own(await Daemon.start(a, { policy: WEB_POLICY }))
})
afterEach(() => teardown.run())

const adopt = (daemon: Daemon, pid: number, ...options: readonly string[]) =>
  daemon.host.namespace.run([TRIREME, 'adopt', '--socket', daemon.socket, ...options, String(pid)], {
    env: daemon.env,
  })

/** A shell that starts the program as its child and outlives it, so that there is a tree. */
const underShell = (argv: readonly string[]) => ['sh', '-c', 'echo $$; "$@"; cat', 'sh', ...argv]

it('a server that listens already is found by its port, and the connections that it had are reset', async () => {
  const echo = teardown.own(
    new JSONLinesProcess(b.namespace.inside(underShell(program('echo-server', '7000')))),
  )
  const pid = Number(await echo.next())
  expect(await echo.next()).toMatchObject({ listening: 7000 })
  const target = { address: b.addresses.IPv4, port: 7000 }
  const before = teardown.own(await connectPlainly(a, target))
  expect(await before.exchange(1000)).toMatchObject({ equal: true })
  const { code, stdout, stderr } = await adopt(server, pid, '--label', 'app=web', '--port', '7000')
  expect({ code, stderr, stdout }).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^[a-z0-9]{12}\n$/),
  })
  await expect(before.exchange(1000)).rejects.toThrow(/ECONNRESET|EPIPE|connection failed/)
  const allowed = teardown.own(await connectAsPU(client, FRONTEND, target))
  expect(allowed.outcome).toMatchObject({ connected: true })
  expect(await allowed.exchange(1000)).toMatchObject({ equal: true })
  expect(teardown.own(await connectAsPU(client, BATCH, target)).outcome).toMatchObject({ connected: false })
  expect(teardown.own(await connectPlainly(a, target)).outcome).toMatchObject({ connected: false })
})

it('an open port that was not declared is closed at once', async () => {
  const echo = teardown.own(
    new JSONLinesProcess(b.namespace.inside(underShell(program('echo-server', '7000')))),
  )
  const pid = Number(await echo.next())
  await echo.next()
  expect(await adopt(server, pid, '--label', 'app=web')).toMatchObject({ code: 0 })
  const target = { address: b.addresses.IPv4, port: 7000 }
  expect(teardown.own(await connectPlainly(a, target)).outcome).toMatchObject({ connected: false })
  expect(teardown.own(await connectAsPU(client, FRONTEND, target)).outcome).toMatchObject({
    connected: false,
  })
})

it.each(['IPv4', 'IPv6'] as const)(
  'a client’s connections are reset over %s, unless asked otherwise',
  async family => {
    const plainEcho = teardown.own(new JSONLinesProcess(b.namespace.inside(program('echo-server', '7100'))))
    await plainEcho.next()
    const dialler = program('session', b.addresses[family], '7100', '3500')
    for (const [options, survives] of [
      [[], false],
      [['--keep-connections'], true],
    ] as const) {
      const shell = teardown.own(new JSONLinesProcess(a.namespace.inside(underShell(dialler))))
      const pid = Number(await shell.next())
      expect(await shell.next()).toMatchObject({ connected: true })
      const { code, stderr } = await adopt(client, pid, '--label', 'app=frontend', ...options)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      if (survives) {
        shell.send('100')
        expect(await shell.next()).toMatchObject({ equal: true })
      } else {
        expect(await shell.next()).toMatchObject({ error: expect.any(String) })
      }
    }
  },
)

it('the whole tree is inside, and goes back when the PU is taken down', async () => {
  const shell = teardown.own(
    new JSONLinesProcess(a.namespace.inside(['sh', '-c', 'echo $$; sleep 60 & sleep 60 & wait'])),
  )
  const pid = Number(await shell.next())
  const { stdout } = await adopt(client, pid, '--label', 'app=batch')
  const children = (await runCommand(['pgrep', '-P', String(pid)])).stdout.trim().split('\n')
  expect(children).toHaveLength(2)
  const cgroupOf = async (each: string) => (await runCommand(['cat', `/proc/${each}/cgroup`])).stdout
  for (const each of [String(pid), ...children]) expect(await cgroupOf(each)).toContain(stdout.trim())
  await client.uninstall()
  for (const each of [String(pid), ...children]) expect(await cgroupOf(each)).not.toContain('trireme')
  await runCommand(['kill', ...children, String(pid)])
  await eventually('they end', async () => !(await runCommand(['kill', '-0', String(pid)])).stdout)
})

it('a process that is released is no PU any more, by its number or by the ID of its PU', async () => {
  const release = (pu: string) =>
    server.host.namespace.run([TRIREME, 'release', '--socket', server.socket, pu], { env: server.env })
  const echo = teardown.own(
    new JSONLinesProcess(b.namespace.inside(underShell(program('echo-server', '7000')))),
  )
  const pid = Number(await echo.next())
  await echo.next()
  const target = { address: b.addresses.IPv4, port: 7000 }
  for (const name of ['pid', 'id']) {
    const { stdout } = await adopt(server, pid, '--label', 'app=web', '--port', '7000')
    expect(teardown.own(await connectPlainly(a, target)).outcome).toMatchObject({ connected: false })
    expect(await release(name === 'pid' ? String(pid) : stdout.trim())).toMatchObject({ code: 0, stdout })
    expect((await server.status()).pus).toEqual([])
    expect(teardown.own(await connectPlainly(a, target)).outcome).toMatchObject({ connected: true })
  }
  for (const pu of [String(pid), 'abcdef012345']) {
    expect(await release(pu)).toMatchObject({ code: 2, stderr: expect.stringContaining('trireme status') })
  }
})
