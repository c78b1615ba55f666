/** What `trireme run` passes through, and the ports on which a PU is found. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { program } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { type Host, makeHost } from '../harness/hosts.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { FRONTEND, WEB_POLICY } from '../harness/pair.js'
import { asPU, connectAsPU, connectPlainly, runAsPU } from '../harness/processing-unit.js'
import { runCommand } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'

const ANY_PORT = { name: 'any-port', to: { app: 'web' }, from: { app: 'frontend' }, action: 'allow' }
const POLICY = { ...WEB_POLICY, rules: [ANY_PORT] }

const teardown = new Teardown()
const perTest = new Teardown()
let host: Host
let daemon: Daemon

beforeAll(async () => {
  host = teardown.own(await makeHost())
  daemon = teardown.own(await Daemon.start(host, { policy: POLICY }))
})
afterEach(() => perTest.run())
afterAll(() => teardown.run())

/** Options of `run` before its command. */
function withOptions(argv: readonly string[], ...options: readonly string[]): readonly string[] {
  const at = argv.indexOf('--', argv.indexOf('run'))
  return [...argv.slice(0, at), ...options, ...argv.slice(at)]
}

const run = (command: readonly string[], ...options: readonly string[]) =>
  runCommand(withOptions(asPU(daemon, FRONTEND, command), ...options), { env: daemon.env })

/** A server that is a PU and listens on 7000, started with these options. */
async function serverWith(...options: readonly string[]): Promise<JSONLinesProcess> {
  const argv = withOptions(
    asPU(daemon, { labels: { app: 'web' } }, program('echo-server', '7000')),
    ...options,
  )
  const server = perTest.own(new JSONLinesProcess(argv, daemon.env))
  expect(await server.next()).toMatchObject({ listening: 7000 })
  return server
}

const dial = async () =>
  perTest.own(await connectAsPU(daemon, FRONTEND, { address: '127.0.0.1', port: 7000 })).outcome
const ports = async () => (await daemon.status()).pus.map(pu => (pu as { ports?: unknown }).ports)

describe('passes through', () => {
  it('standard input and a status', async () => {
    const command = withOptions(asPU(daemon, FRONTEND, ['sh', '-c', 'cat; exit 42']))
    expect(await runCommand(command, { env: daemon.env, input: 'hello\n' })).toMatchObject({
      code: 42,
      stdout: 'hello\n',
    })
  })

  it('a terminal', async () => {
    const argv = asPU(daemon, FRONTEND, ['sh', '-c', 'tty; stty size >/dev/null && echo sized'])
    const line = argv.map(word => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
    const { code, stdout } = await runCommand(['script', '-qec', line, '/dev/null'], { env: daemon.env })
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/\/dev\/pts\/\d+\s+sized/),
    })
  })
})

describe('--user', () => {
  it('runs as the user with his groups and surroundings, and the daemon knows it', async () => {
    const { code, stdout, stderr } = await run(
      ['sh', '-c', 'id -un; id -u; echo $HOME $USER'],
      '--user',
      'games',
    )
    expect({ code, stderr, stdout }).toMatchObject({ code: 0, stdout: 'games\n5\n/usr/games games\n' })
  })

  it.each(['nosuchuser', '../etc', '--help', ''])('refuses %j and runs nothing', async user => {
    const { code, stdout } = await run(['echo', 'ran'], `--user=${user}`)
    expect({ code, stdout }).toEqual({ code: 125, stdout: '' })
  })
})

describe('ports', () => {
  it('that are declared are those of the policy', async () => {
    await serverWith('--port', '7000')
    expect(await dial()).toMatchObject({ connected: true })
  })

  it('that nobody declared are closed, whatever the policy says, and found by themselves', async () => {
    await serverWith()
    await eventually('the port is found', async () => (await ports()).flat().includes('7000'))
    expect(await dial()).toMatchObject({ connected: false, error: 'ECONNREFUSED' })
    const plain = perTest.own(await connectPlainly(host, { address: '127.0.0.1', port: 7000 }))
    expect(plain.outcome).toMatchObject({ connected: false })
    expect(await daemon.flowLike(flow => flow.rule === 'closed port')).toBeDefined()
  })

  it('are discovered where asked for, and forgotten when nobody listens any more', async () => {
    const server = await serverWith('--port', 'auto')
    await eventually('the port is found', async () => (await ports()).flat().includes('7000'))
    expect(await dial()).toMatchObject({ connected: true })
    await server.stop()
    await eventually('the port is free', async () => !(await ports()).flat().includes('7000'))
  })
})

describe('--network-only', () => {
  it('enforces what peers send and leaves alone what the command sends', async () => {
    const plain = perTest.own(
      new JSONLinesProcess(host.namespace.inside(program('echo-server', '7100')), daemon.env),
    )
    await plain.next()
    const call = program('session', '127.0.0.1', '7100', '3500')
    const enforced = await runAsPU(daemon, FRONTEND, call)
    expect(JSON.parse(enforced.stdout)).toMatchObject({ error: expect.any(String) })
    const free = await run(call, '--network-only')
    expect(JSON.parse(free.stdout)).toMatchObject({ connected: true })
    await serverWith('--network-only', '--port', '7000')
    expect(await dial()).toMatchObject({ connected: true })
    const stranger = perTest.own(await connectPlainly(host, { address: '127.0.0.1', port: 7000 }))
    expect(stranger.outcome).toMatchObject({ connected: false })
  })
})
