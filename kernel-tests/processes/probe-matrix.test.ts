/** Processes, a systemd-like service and user sessions on two hosts: who reaches whom is what the policy says, for every pair. */
import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { program, TRIREME } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { FAMILIES, type Host, makeTwoHosts } from '../harness/hosts.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { asPU } from '../harness/processing-unit.js'
import { runCommand } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'
import { uniqueName } from '../harness/unique-name.js'
import { cgroup2Folder } from './cgroup2-folder.js'

/** What a probe runs as, by name; the tags are those of its PU. */
const PROBES = {
  'process app=web': { app: 'web' },
  'process app=batch': { app: 'batch' },
  'service app=db': { app: 'db' },
  'session of games': { user: 'games' },
  'session of news': { user: 'news' },
  'no PU': undefined,
} as const

type Probe = keyof typeof PROBES

/** By port; each listens on both hosts. */
const SERVERS = {
  7001: 'process app=web',
  7002: 'service app=db',
  7003: 'session of games',
} as const

const POLICY = {
  default: 'deny',
  rules: [
    { name: 'web', to: { app: 'web' }, from: { user: 'games' }, ports: [7001], action: 'allow' },
    { name: 'batch-to-web', to: { app: 'web' }, from: { app: 'batch' }, ports: [7001], action: 'allow' },
    { name: 'db', to: { app: 'db' }, from: { app: 'web' }, ports: [7002], action: 'allow' },
    { name: 'db-to-db', to: { app: 'db' }, from: { app: 'db' }, ports: [7002], action: 'allow' },
    { name: 'games', to: { user: 'games' }, from: { app: 'db' }, action: 'allow' },
  ],
}

const ALLOWED: readonly (readonly [Probe, keyof typeof SERVERS])[] = [
  ['session of games', 7001],
  ['process app=batch', 7001],
  ['process app=web', 7002],
  ['service app=db', 7002],
]

const teardown = new Teardown()
const hosts: { host: Host; daemon: Daemon; cgroup: string }[] = []

beforeAll(async () => {
  const { a, b, stop } = await makeTwoHosts()
  teardown.add(stop)
  for (const host of [a, b]) {
    const slice = join(await cgroup2Folder(), `${uniqueName('system')}.slice`)
    await mkdir(join(slice, 'db.service'), { recursive: true })
    teardown.add(async () => {
      await eventually('the service can be removed', () => rmdir(join(slice, 'db.service')).then(() => true))
      await rmdir(slice)
    })
    const monitors = { linux: {}, sessions: {} }
    const daemon = teardown.own(await Daemon.start(host, { policy: POLICY, config: { monitors } }))
    hosts.push({ host, daemon, cgroup: join(slice, 'db.service') })
    await startUnit(daemon, join(slice, 'db.service'))
    for (const [port, probe] of Object.entries(SERVERS)) await startServer(hosts.length - 1, probe, port)
  }
})
afterAll(() => teardown.run())

/** What the drop-in of `trireme protect` runs. */
async function startUnit(daemon: Daemon, cgroup: string): Promise<void> {
  const options = ['--name', 'db.service', '--label', 'app=db', '--port', '7002']
  const argv = inCgroup(cgroup, [TRIREME, 'unit-start', '--socket', daemon.socket, ...options])
  expect(await daemon.host.namespace.run(argv, { env: daemon.env })).toMatchObject({ code: 0 })
}

const inCgroup = (cgroup: string, argv: readonly string[]) => [
  'sh',
  '-c',
  'echo $$ > "$0/cgroup.procs" && exec "$@"',
  cgroup,
  ...argv,
]

async function startServer(index: number, probe: Probe, port: string): Promise<void> {
  const server = teardown.own(
    new JSONLinesProcess(await commandOf(index, probe, program('echo-server', port), port)),
  )
  expect(await server.next()).toMatchObject({ listening: Number(port) })
}

/** The command line that runs a program as this probe on a host. */
async function commandOf(
  index: number,
  probe: Probe,
  argv: readonly string[],
  port?: string,
): Promise<readonly string[]> {
  const { host, daemon, cgroup } = hosts[index]!
  const tags = PROBES[probe]
  if (tags === undefined) return host.namespace.inside(argv)
  if (probe.startsWith('service')) return host.namespace.inside(inCgroup(cgroup, argv))
  if ('user' in tags) return sessionCommand(index, tags.user, argv)
  return asPU(daemon, { labels: tags, ...(port === undefined ? {} : { ports: [Number(port)] }) }, argv)
}

/** As the PAM hook does it: the process that opens the session is told of, then starts the program. */
async function sessionCommand(
  index: number,
  user: string,
  argv: readonly string[],
): Promise<readonly string[]> {
  const { host, daemon } = hosts[index]!
  const script = 'PAM_USER=$1 PAM_SERVICE=su "$2" session open --socket "$3" && shift 3 && "$@"'
  return host.namespace.inside(['sh', '-c', script, 'sh', user, TRIREME, daemon.socket, ...argv])
}

it.each(FAMILIES)(
  'every pair over %s, within a host and between hosts',
  { timeout: 300_000 },
  async family => {
    const found: string[] = []
    const expected: string[] = []
    const line = (from: string, to: string, isOpen: boolean) =>
      `${from} → ${to}: ${isOpen ? 'open' : 'closed'}`
    const ports = Object.keys(SERVERS).map(port => Number(port) as keyof typeof SERVERS)
    for (const probe of Object.keys(PROBES) as Probe[]) {
      for (const index of [0, 1]) {
        const targets = [0, 1].flatMap(to => ports.map(port => ({ to, port })))
        await Promise.all(
          targets.map(async ({ to, port }) => {
            const call = program('session', hosts[to]!.host.addresses[family], String(port), '3500')
            const { stdout, stderr } = await runCommand(await commandOf(index, probe, call))
            const names = [`${probe} on ${index}`, `${SERVERS[port]} on ${to}`] as const
            if (stdout === '') found.push(`${names[0]} → ${names[1]}: ${stderr}`)
            else found.push(line(...names, /"connected":true/.test(stdout)))
            expected.push(
              line(
                ...names,
                ALLOWED.some(([from, at]) => from === probe && at === port),
              ),
            )
          }),
        )
      }
    }
    expect(found.sort()).toEqual(expected.sort())
  },
)
