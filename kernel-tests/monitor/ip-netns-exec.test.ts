/** Daemons started by `ip netns exec`, which hides the cgroups of the host: each mounts them for itself. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { TRIREME } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { type Host, makeHost } from '../harness/hosts.js'
import { FRONTEND, WEB_POLICY } from '../harness/pair.js'
import { asPU } from '../harness/processing-unit.js'
import { rulesSnapshot } from '../harness/rules-snapshot.js'
import { type CommandOutcome, runCommand } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'

const teardown = new Teardown()
afterEach(() => teardown.run())

const exec = (host: Host, argv: readonly string[]) => ['ip', 'netns', 'exec', host.namespace.name, ...argv]

async function startInside(daemon: Daemon): Promise<ChildProcess> {
  const [program, ...args] = exec(daemon.host, [TRIREME, 'daemon', '--config', daemon.configFile])
  const child = spawn(program!, args, { stdio: ['ignore', 'ignore', 'inherit'], env: daemon.env })
  teardown.add(() => {
    child.kill('SIGKILL')
  })
  await eventually('the daemon is ready', async () => (await daemon.command('status')).code === 0)
  return child
}

function runInside(daemon: Daemon, argv: readonly string[]): Promise<CommandOutcome> {
  const command = asPU(daemon, FRONTEND, argv)
  return runCommand(exec(daemon.host, command.slice(command.indexOf(TRIREME))), { env: daemon.env })
}

it('two daemons coexist, stop in good order, and leave nothing when they are uninstalled', async () => {
  const hosts = [teardown.own(await makeHost()), teardown.own(await makeHost())]
  const before = await Promise.all(hosts.map(host => rulesSnapshot(host.namespace)))
  const daemons = await Promise.all(
    hosts.map(async host => teardown.own(await Daemon.prepare(host, { policy: WEB_POLICY }))),
  )
  const processes = await Promise.all(daemons.map(startInside))
  for (const daemon of daemons) {
    const { code, stdout } = await runInside(daemon, ['cat', '/proc/self/cgroup'])
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(new RegExp(`:/trireme-${daemon.serverID}/[a-z0-9]{12}\n`)),
    })
  }
  processes[0]!.kill('SIGTERM')
  expect(await once(processes[0]!, 'exit')).toEqual([0, null])
  expect(await readdir(join(daemons[0]!.folder, 'state'))).toEqual([
    'daemon.json',
    'live-flows-own.jsonl',
    'pus',
  ])
  expect((await runInside(daemons[1]!, ['true'])).code).toBe(0)
  for (const [index, daemon] of daemons.entries()) {
    const command = exec(daemon.host, [TRIREME, 'uninstall', '--config', daemon.configFile])
    expect(await runCommand(command, { env: daemon.env })).toMatchObject({ code: 0 })
    expect(await rulesSnapshot(daemon.host.namespace)).toBe(before[index])
    await expect(access(join(daemon.folder, 'state'))).rejects.toThrow('ENOENT')
    await expect(access(daemon.socket)).rejects.toThrow('ENOENT')
  }
})

it('passes signals on, and ends as the command ends', async () => {
  const host = teardown.own(await makeHost())
  const daemon = teardown.own(await Daemon.start(host, { policy: WEB_POLICY }))
  const script =
    'trap "exit 3" TERM; trap "exit 4" INT; trap "exit 5" USR1; echo ready; while :; do sleep 0.05; done'
  for (const [signal, status] of [
    ['SIGTERM', 3],
    ['SIGINT', 4],
    ['SIGUSR1', 5],
  ] as const) {
    const [program, ...args] = asPU(daemon, FRONTEND, ['sh', '-c', script])
    // A session of its own, for a terminal would pass SIGINT on by itself.
    const child = spawn(program!, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: daemon.env,
    })
    teardown.add(() => {
      child.kill('SIGKILL')
    })
    await once(child.stdout!, 'data')
    child.kill(signal)
    expect([signal, ...(await once(child, 'exit'))]).toEqual([signal, status, null])
  }
})
