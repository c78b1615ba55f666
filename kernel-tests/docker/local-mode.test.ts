import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { program } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { makeTwoHosts, type TwoHosts } from '../harness/hosts.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { connectAsPU, connectPlainly, startServer } from '../harness/processing-unit.js'
import { normaliseRules, rulesSnapshot } from '../harness/rules-snapshot.js'
import { mustRun } from '../harness/run-command.js'
import { Session } from '../harness/session.js'
import { Teardown } from '../harness/teardown.js'
import { DockerEngine } from './docker-engine.js'

const TIERS = ['frontend', 'backend', 'database'] as const
type Tier = (typeof TIERS)[number]

const [FORGER, THIEF] = ['forged-frames', 'frame-thief'].map(name =>
  fileURLToPath(new URL(`../harness/programs/${name}.py`, import.meta.url)),
) as [string, string]
const PORT = 7000
const UDP_PORT = 5000
/** The database's, which strangers may dial, and the backend's. */
const [PUBLISHED, SECRET] = [9090, 9091]

const rule = (from: string, to: string) => ({
  ...{ name: `${to}-from-${from}`, from: { tier: from }, to: { tier: to }, ports: [PORT], action: 'allow' },
})
const external = (name: string, pu: string, direction: 'in' | 'out', rest: object) => ({
  ...{ name, pu: { tier: pu }, direction, action: 'allow' },
  ...rest,
})
/** Datagrams have no identity: both ends say by addresses what they send and take. */
const DATAGRAMS = { networks: ['172.17.0.0/16'], ports: [UDP_PORT], protocol: 'udp' }
const POLICY = {
  default: 'deny',
  rules: [
    ...[rule('frontend', 'backend'), rule('backend', 'database')],
    ...[rule('process', 'backend'), rule('frontend', 'service')],
  ],
  external: [
    external('datagrams-out', 'frontend', 'out', DATAGRAMS),
    external('datagrams-in', 'database', 'in', DATAGRAMS),
    external('published', 'database', 'in', { networks: ['10.77.0.2/32'], ports: [PORT] }),
  ],
}

const teardown = new Teardown()
let hosts: TwoHosts
let engine: DockerEngine
let daemon: Daemon
let rulesBefore: string
const pids = new Map<string, number>()
const addresses = new Map<string, string>()

beforeAll(async () => {
  hosts = teardown.own(await makeTwoHosts())
  engine = teardown.own(await DockerEngine.start(hosts.a.namespace))
  await run('frontend')
  await run('backend', ['-p', `${SECRET}:${PORT}`])
  await run('database', ['-p', `${PUBLISHED}:${PORT}`])
  rulesBefore = await rulesOfHost()
  const monitors = { linux: {}, docker: { engine: engine.address, enforcement: 'local' } }
  daemon = teardown.own(await Daemon.start(hosts.a, { policy: POLICY, config: { monitors } }))
})
afterAll(() => teardown.run())

/** Starts an echo server in a container. */
async function run(tier: string, flags: readonly string[] = []): Promise<void> {
  const id = await engine.run(['--name', tier, '-l', `tier=${tier}`, ...flags], 'sleep', '600')
  pids.set(tier, await engine.pidOf(id))
  addresses.set(tier, await engine.inspect(id, '{{.NetworkSettings.IPAddress}}'))
  const server = new JSONLinesProcess(inside(tier, program('echo-server', String(PORT))))
  teardown.own(server)
  await server.next()
}

/** In a container's network namespace. */
function inside(tier: string, argv: readonly string[]): readonly string[] {
  return ['nsenter', `--net=/proc/${pids.get(tier)}/ns/net`, '--', ...argv]
}

function connect(from: string, address: string, port = PORT): Promise<Session> {
  return Session.open(inside(from, program('session', address, String(port), '3000')))
}

/** Whom each reaches. What a container says to itself never leaves it. */
async function matrix(): Promise<Readonly<Record<string, readonly Tier[]>>> {
  const rows = TIERS.map(async from => {
    const reached: Tier[] = []
    for (const to of TIERS.filter(each => each !== from)) {
      const session = await connect(from, addresses.get(to)!)
      if (session.outcome.connected && (await session.exchange(100_000)).equal) reached.push(to)
      await session.stop()
    }
    return [from, reached] as const
  })
  return Object.fromEntries(await Promise.all(rows))
}

async function rulesOfHost(): Promise<string> {
  const frames = await hosts.a.namespace.mustRun(['ebtables-nft-save'])
  return `${await rulesSnapshot(hosts.a.namespace)}\n${normaliseRules(frames)}`
}

async function macOf(tier: string): Promise<string> {
  const links = await mustRun(inside(tier, ['ip', '-json', 'link', 'show', 'eth0']))
  return JSON.parse(links)[0].address
}

/** How many frames of the host would have gone to the port of another. */
async function keptFromPorts(): Promise<number> {
  const saved = await hosts.a.namespace.mustRun(['ebtables-nft-save', '-c'])
  return Number(/^\[(\d+):\d+\] -A TRI-\w+-OTHERS -j DROP$/m.exec(saved)?.[1] ?? 0)
}

async function outcomeOf(opening: Promise<Session>) {
  const session = await opening
  await session.stop()
  return session.outcome
}

const OF_POLICY = { frontend: ['backend'], backend: ['database'], database: [] }

describe('containers enforced at the bridge of the host', () => {
  it('reach each other as the policy says, and are refused at once', async () => {
    expect(await matrix()).toEqual(OF_POLICY)
    const refused = await outcomeOf(connect('frontend', addresses.get('database')!))
    expect(refused).toMatchObject({ connected: false, error: 'ECONNREFUSED' })
    expect(refused.ms).toBeLessThan(1000)
    await daemon.flowLike(({ verdict, reason }) => verdict === 'reject' && reason === 'policy')
  })

  it('have nothing changed in their own namespaces', async () => {
    for (const tier of TIERS) {
      for (const save of ['iptables-save', 'ip6tables-save']) {
        const saved = await mustRun(inside(tier, [save]), { env: daemon.env })
        expect(normaliseRules(saved)).toBe('')
      }
    }
  })

  it('are reached by processes of the host by their identity alone', async () => {
    const to = { address: addresses.get('backend')!, port: PORT }
    const unit = (tier: string) => ({ labels: { tier } })
    // A refusal cannot be answered in POSTROUTING: the strangers wait in vain.
    const outcomes = await Promise.all([
      ...['process', 'frontend', 'stranger'].map(tier => outcomeOf(connectAsPU(daemon, unit(tier), to))),
      outcomeOf(connectPlainly(hosts.a, to)),
    ])
    expect(outcomes.map(({ connected }) => connected)).toEqual([true, true, false, false])
  })

  it('reach processes of the host by their identity', async () => {
    const service = { labels: { tier: 'service' }, ports: [PORT] }
    const server = await startServer(daemon, service)
    const gateway = '172.17.0.1'
    expect(await outcomeOf(connect('frontend', gateway))).toMatchObject({ connected: true })
    expect(await outcomeOf(connect('backend', gateway))).toMatchObject({ connected: false })
    await server.stop()
  })

  it('are reached through published ports by whom their policy names', async () => {
    const to = { address: hosts.a.addresses.IPv4, port: PUBLISHED }
    const outcomes = await Promise.all([
      outcomeOf(connectPlainly(hosts.b, to)),
      outcomeOf(connectPlainly(hosts.b, { ...to, port: SECRET })),
      outcomeOf(connectPlainly(hosts.a, to)),
    ])
    expect(outcomes.map(({ connected }) => connected)).toEqual([true, false, false])
    expect(outcomes[1]).toMatchObject({ error: 'ECONNREFUSED' })
  })

  it('send nothing under another address, nor in frames that hide it', async () => {
    const argv = inside('database', program('udp-listener', String(UDP_PORT)))
    const listener = teardown.own(new JSONLinesProcess(argv))
    await listener.next()
    const mac = await macOf('database')
    const [own, forged, to] = TIERS.map(tier => addresses.get(tier)!)
    const forger = ['python3', FORGER, 'eth0', mac, own!, forged!, to!, String(UDP_PORT)]
    await mustRun(inside('frontend', forger))
    expect(await listener.next()).toEqual({ text: 'own' })
    await mustRun(inside('frontend', forger))
    expect(await listener.next()).toEqual({ text: 'own' })
  })

  it('get nothing that the host routes to another by claiming its MAC address', async () => {
    const live = await connectPlainly(hosts.b, { address: hosts.a.addresses.IPv4, port: PUBLISHED })
    expect(await live.exchange(1000)).toMatchObject({ equal: true })
    const claim = ['python3', THIEF, 'eth0', await macOf('database'), addresses.get('database')!]
    const thief = teardown.own(new JSONLinesProcess(inside('frontend', claim)))
    await thief.next()
    const before = await keptFromPorts()
    const exchange = live.exchange(1000)
    await eventually('it is kept from the wrong port', async () => (await keptFromPorts()) > before + 1)
    thief.send('')
    expect(await thief.next()).toBe(0)
    await thief.stop()
    // What its owner sends brings the address back.
    await outcomeOf(connect('database', addresses.get('backend')!))
    expect(await exchange).toMatchObject({ equal: true })
    await live.stop()
  })

  it('are refused where they have an interface that no bridge of the host is before', async () => {
    await engine.mustDocker('network', 'create', '-d', 'macvlan', '-o', 'parent=docker0', 'apart')
    await engine.docker('run', '-d', '--name', 'apart', '--network', 'apart', 'box', 'sleep', '600')
    await eventually(
      'it is killed',
      async () => (await engine.inspect('apart', '{{.State.Running}}')) === 'false',
    )
    expect(daemon.logs).toContain('is at no bridge of this host')
    await engine.mustDocker('rm', '-f', 'apart')
    await engine.mustDocker('network', 'rm', 'apart')
  })

  it('keep what is established while the daemon is gone, and nothing new passes', async () => {
    const live = await connect('frontend', addresses.get('backend')!)
    expect(await live.exchange(1000)).toMatchObject({ equal: true })
    await daemon.crash()
    expect(await live.exchange(1000)).toMatchObject({ equal: true })
    expect(await outcomeOf(connect('frontend', addresses.get('backend')!))).toMatchObject({
      error: 'TIMEOUT',
    })
    await daemon.start()
    expect(await matrix()).toEqual(OF_POLICY)
    expect(await live.exchange(1000)).toMatchObject({ equal: true })
    await live.stop()
  })

  it('leave the rules of the host as they were when the daemon is uninstalled', async () => {
    await daemon.command('uninstall')
    expect(await rulesOfHost()).toBe(rulesBefore)
    expect(await outcomeOf(connect('database', addresses.get('frontend')!))).toMatchObject({
      connected: true,
    })
  })
})
