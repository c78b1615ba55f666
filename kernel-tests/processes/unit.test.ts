/**
 * `trireme protect`: systemd does not run here, so a test does what systemd does with the drop-in: makes the unit's cgroup, runs the
 * drop-in's command in it, then the service; removes the cgroup when the service has stopped.
 */
import { access, mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { program, TRIREME } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { type Host, makeTwoHosts } from '../harness/hosts.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { BATCH, FRONTEND, WEB_POLICY } from '../harness/pair.js'
import { connectAsPU, connectPlainly } from '../harness/processing-unit.js'
import { type CommandOutcome, mustRun, runCommand } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'
import { uniqueName } from '../harness/unique-name.js'
import { cgroup2Folder } from './cgroup2-folder.js'

const UNIT = 'echo.service'
/** Sets one variable, and becomes the command: as systemd does, no program between has it. */
const RUN_WITH =
  'import os, sys; os.execve(sys.argv[3], sys.argv[3:], {**os.environ, sys.argv[1]: sys.argv[2]})'
const teardown = new Teardown()
let a: Host
let b: Host
let client: Daemon
let server: Daemon
let slice: string
let cgroup: string
let unitDir: string

beforeEach(async () => {
  const hosts = teardown.own(await makeTwoHosts())
  a = hosts.a
  b = hosts.b
  slice = join(await cgroup2Folder(), `${uniqueName('system')}.slice`)
  cgroup = join(slice, UNIT)
  await mkdir(slice)
  teardown.add(() => rmdir(slice))
  server = teardown.own(await Daemon.start(b, { policy: WEB_POLICY }))
  client = teardown.own(await Daemon.start(a, { policy: WEB_POLICY }))
  unitDir = join(server.folder, 'systemd')
})
afterEach(() => teardown.run())

const target = () => ({ address: b.addresses.IPv4, port: 7000 })
const trireme = (...args: readonly string[]) => runCommand([TRIREME, ...args], { env: server.env })
const protect = (...options: readonly string[]) =>
  trireme('protect', '--socket', server.socket, '--unit-dir', unitDir, ...options, UNIT)
const dropIn = () => readFile(join(unitDir, `${UNIT}.d`, '50-trireme.conf'), 'utf8')

/** The command of ExecStartPre, as systemd splits it: our drop-ins quote every word, and nothing else is special in a test. */
async function execStartPre(): Promise<readonly string[]> {
  const line = /^ExecStartPre=\+(.*)$/m.exec(await dropIn())![1]!
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word]) => word!.replace(/\\(.)/g, '$1'))
}

const inUnit = (argv: readonly string[]) =>
  b.namespace.inside(['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', cgroup, ...argv])

/** What systemd does when the unit starts: in a cgroup that it makes anew, the control command, then the program. */
async function startUnit(): Promise<{
  readonly pre: CommandOutcome
  readonly main: JSONLinesProcess | undefined
}> {
  await mkdir(cgroup)
  const pre = await runCommand(inUnit(await execStartPre()), { env: server.env })
  if (pre.code !== 0) return { pre, main: undefined }
  const main = new JSONLinesProcess(inUnit(program('echo-server', '7000')), server.env)
  expect(await main.next()).toMatchObject({ listening: 7000 })
  return { pre, main }
}

async function stopUnit(main: JSONLinesProcess | undefined): Promise<void> {
  await main?.stop()
  await eventually('the cgroup can be removed', () => rmdir(cgroup).then(() => true))
}

async function expectEnforced(): Promise<void> {
  const allowed = await connectAsPU(client, FRONTEND, target())
  expect(allowed.outcome).toMatchObject({ connected: true })
  await allowed.stop()
  for (const connecting of [connectAsPU(client, BATCH, target()), connectPlainly(a, target())]) {
    const denied = await connecting
    expect(denied.outcome).toMatchObject({ connected: false })
    await denied.stop()
  }
}

/** A connection out of the unit, which no rule allows: it is the cgroup's rule that denies it, not the port's. */
async function expectConfined(): Promise<void> {
  const listener = new JSONLinesProcess(a.namespace.inside(program('echo-server', '7200')))
  await listener.next()
  const call = await runCommand(inUnit(program('session', a.addresses.IPv4, '7200', '3500')))
  expect(call.stdout).toMatch(/"error"/)
  await listener.stop()
}

it('is enforced at every start, in a cgroup that is made anew each time, under the same identity', async () => {
  expect(await protect('--label', 'app=web', '--port', '7000')).toMatchObject({ code: 0 })
  const identities = new Set<string>()
  for (let start = 0; start < 3; start++) {
    const { pre, main } = await startUnit()
    expect(pre).toMatchObject({ code: 0 })
    await expectEnforced()
    await expectConfined()
    const [pu] = (await server.status()).pus as readonly {
      id?: string
      name: string
      tags?: readonly string[]
    }[]
    expect(pu).toMatchObject({ name: UNIT, tags: expect.arrayContaining(['app=web']) })
    identities.add(String(pu?.id))
    await stopUnit(main)
  }
  expect(identities.size).toBe(1)
  await eventually('the stopped unit is no PU', async () => (await server.status()).pus.length === 0)
})

it('goes on through a restart of the daemon, and starts while it is down not at all', async () => {
  await protect('--label', 'app=web', '--port', '7000')
  const first = await startUnit()
  await server.terminate()
  await server.start()
  await expectEnforced()
  await expectConfined()
  await stopUnit(first.main)
  await server.terminate()
  const second = await startUnit()
  expect(second.pre.code).not.toBe(0)
  await stopUnit(second.main)
  await server.start()
})

it('without the control command a cgroup made anew escapes: what the drop-in is for', async () => {
  await protect('--label', 'app=web', '--port', '7000')
  const first = await startUnit()
  await stopUnit(first.main)
  await mkdir(cgroup)
  const listener = teardown.own(new JSONLinesProcess(a.namespace.inside(program('echo-server', '7200'))))
  await listener.next()
  const call = await runCommand(inUnit(program('session', a.addresses.IPv4, '7200', '3500')))
  expect(call.stdout).toMatch(/"connected":true/)
  await stopUnit(undefined)
})

it.each(['NODE_OPTIONS', 'LD_PRELOAD', 'PATH'])(
  'a service’s user does not become root by %s in the unit’s environment, which root’s control command gets',
  async name => {
    const folder = await mkdtemp(join(tmpdir(), 'unit-'))
    teardown.add(() => rm(folder, { recursive: true }))
    const proof = join(folder, 'proof')
    await writeFile(join(folder, 'evil.cjs'), `require('fs').writeFileSync(${JSON.stringify(proof)}, '')`)
    await writeFile(
      join(folder, 'evil.c'),
      `#include <fcntl.h>\n__attribute__((constructor)) void evil(void) { creat(${JSON.stringify(proof)}, 0600); }`,
    )
    await mustRun(['gcc', '-shared', '-fPIC', '-o', join(folder, 'evil.so'), join(folder, 'evil.c')])
    for (const each of ['node', 'id', 'sh', 'env']) {
      await writeFile(join(folder, each), `#!/bin/sh\n: > ${proof}\n`, { mode: 0o755 })
    }
    const values = {
      NODE_OPTIONS: `--require=${folder}/evil.cjs`,
      LD_PRELOAD: `${folder}/evil.so`,
      PATH: `${folder}:/usr/sbin:/usr/bin:/sbin:/bin`,
    }
    await protect('--label', 'app=web')
    await mkdir(cgroup)
    const command = await execStartPre()
    const starter = ['python3', '-c', RUN_WITH, name, values[name as keyof typeof values], ...command]
    expect(await runCommand(inUnit(starter), { env: server.env })).toMatchObject({ code: 0 })
    await expect(access(proof)).rejects.toThrow('ENOENT')
    await stopUnit(undefined)
  },
)

it('is left alone again after unprotect', async () => {
  await protect('--label', 'app=web')
  expect(await trireme('unprotect', '--unit-dir', unitDir, UNIT)).toMatchObject({ code: 0 })
  expect(await trireme('unprotect', '--unit-dir', unitDir, UNIT)).toMatchObject({ code: 0 })
  expect(await readdir(unitDir)).toEqual([])
})

it.each([['../x.service'], ['nginx'], ['a/b.service']])('refuses %s', async unit => {
  const { code, stderr } = await trireme('protect', '--socket', server.socket, '--unit-dir', unitDir, unit)
  expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringMatching(/expected a service/) })
  await mustRun(['test', '!', '-e', unitDir])
})
