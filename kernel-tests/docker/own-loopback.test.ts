/** Containers that speak with themselves, and what must not pass for that. */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { program } from '../harness/checkout.js'
import { eventually } from '../harness/eventually.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { NetworkNamespace } from '../harness/network-namespace.js'
import { mustRun, runCommand } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'
import { DockerEngine } from './docker-engine.js'
import { Protection } from './protection.js'

const POLICY = { default: 'deny', rules: [] }
const [PORT, LEAVING] = [5000, 5353]
const GATEWAY = '172.17.0.1'
const HEALTH_CHECK = [
  ...['--health-cmd', 'nc -w 2 127.0.0.1 80 </dev/null', '--health-interval', '1s'],
  ...['--health-retries', '2', '--health-timeout', '3s'],
]
const programs = (name: string) => fileURLToPath(new URL(`../harness/programs/${name}.py`, import.meta.url))

describe.each(['remote', 'local'] as const)('with enforcement %s, a container', enforcement => {
  const teardown = new Teardown()
  let engine: DockerEngine
  let protection: Protection
  let pid: number
  let address: string
  let attacker: number

  beforeAll(async () => {
    const namespace = teardown.own(await NetworkNamespace.make('docker'))
    engine = teardown.own(await DockerEngine.start(namespace))
    const victim = await engine.run(['-l', 'app=web'], 'sleep', '600')
    pid = await engine.pidOf(victim)
    address = await engine.inspect(victim, '{{.NetworkSettings.IPAddress}}')
    attacker = await engine.pidOf(await engine.run(['-l', 'app=attacker'], 'sleep', '600'))
    await acceptMartians()
    await translateLoopback()
    await controls()
    protection = teardown.own(await Protection.start(engine, { policy: POLICY, monitor: { enforcement } }))
  })
  afterAll(() => teardown.run())

  const inside = (of: number, argv: readonly string[]) => [
    'nsenter',
    `--net=/proc/${of}/ns/net`,
    '--',
    ...argv,
  ]

  /** What a careless administrator sets: the kernel drops none of the attacker's packets by itself. */
  async function acceptMartians(): Promise<void> {
    // The engine's default has no ::1.
    await mustRun(inside(pid, ['sysctl', '-qw', 'net.ipv6.conf.lo.disable_ipv6=0']))
    const settings = ['rp_filter=0', 'route_localnet=1', 'accept_local=1']
    for (const setting of settings) {
      for (const device of ['all', 'eth0']) {
        await mustRun(inside(pid, ['sysctl', '-qw', `net.ipv4.conf.${device}.${setting}`]))
      }
    }
  }

  /** Datagrams to a port of the loopback leave for the host instead. */
  async function translateLoopback(): Promise<void> {
    const to = ['-p', 'udp', '--dport', String(LEAVING)]
    const nat = ['iptables-nft', '-t', 'nat', '-A']
    await mustRun(
      inside(pid, [...nat, 'OUTPUT', '-d', '127.0.0.1', ...to, '-j', 'DNAT', '--to', `${GATEWAY}:${PORT}`]),
    )
    await mustRun(inside(pid, [...nat, 'POSTROUTING', '-o', 'eth0', '-j', 'MASQUERADE']))
  }

  async function listen(argv: readonly string[]): Promise<JSONLinesProcess> {
    const listener = new JSONLinesProcess(argv)
    teardown.own(listener)
    await listener.next()
    return listener
  }

  const listener = program('udp-listener', String(PORT))
  const say = (text: string, to: string, port: number) =>
    mustRun(inside(pid, ['sh', '-c', `printf ${text} | socat -u - UDP4-SENDTO:${to}:${port}`]))

  async function forge(to: string): Promise<void> {
    const links = await mustRun(inside(pid, ['ip', '-json', 'link', 'show', 'eth0']))
    const mac = JSON.parse(links)[0].address
    await mustRun(
      inside(attacker, [
        'python3',
        programs('forged-frames'),
        'eth0',
        mac,
        '172.17.0.3',
        '127.0.0.1',
        to,
        String(PORT),
      ]),
    )
  }

  /** Without enforcement the attacks get through. */
  async function controls(): Promise<void> {
    const victim = await listen(inside(pid, listener))
    for (const to of [address, '127.0.0.1']) {
      await forge(to)
      expect(await victim.next()).toEqual({ text: 'source' })
      for (let text: unknown; text !== 'own'; ) text = ((await victim.next()) as { text: string }).text
    }
    await victim.stop()
    const host = await listen(engine.namespace.inside(listener))
    await say('left', '127.0.0.1', LEAVING)
    expect(await host.next()).toEqual({ text: 'left' })
    await host.stop()
  }

  it('asks itself, by its loopback and by its own addresses, over TCP, UDP and ICMP', async () => {
    for (const own of ['127.0.0.1', '127.5.5.5', '::1', address]) {
      const answer = await mustRun(inside(pid, ['python3', programs('ask-itself'), own]))
      expect([own, JSON.parse(answer)]).toEqual([own, { tcp: true, udp: true, icmp: true }])
    }
  })

  it('is healthy by a check that asks its own loopback', async () => {
    const server = ['nc', '-ll', '-p', '80', '-e', 'true']
    const id = await engine.run(['--name', 'checked', '-l', 'app=web', ...HEALTH_CHECK], ...server)
    await protection.until(id, 'start')
    const health = () => engine.inspect(id, '{{.State.Health.Status}}')
    await eventually('it is checked', async () => (await health()) !== 'starting')
    expect(await health()).toBe('healthy')
  })

  it('takes no datagram from outside that claims to come from, or goes to, its loopback', async () => {
    const victim = await listen(inside(pid, listener))
    for (const to of [address, '127.0.0.1']) await forge(to)
    await say('mine', '127.0.0.1', PORT)
    expect(await victim.next()).toEqual({ text: 'mine' })
  })

  it('sends nothing to another host that its own loopback is translated to', async () => {
    const host = await listen(engine.namespace.inside(listener))
    await say('leaving', '127.0.0.1', LEAVING).catch(() => {})
    await engine.namespace.mustRun(['sh', '-c', `printf last | socat -u - UDP4-SENDTO:127.0.0.1:${PORT}`])
    expect(await host.next()).toEqual({ text: 'last' })
  })

  // At the bridges nothing is seen of what a container asks the resolver, which is inside its namespace.
  it('asks the resolver of the engine by its policy, where the rules are inside, and at will where they are not', async () => {
    await engine.mustDocker('network', 'create', 'named')
    const id = await engine.run(['--network', 'named', '--name', 'web', '-l', 'app=web'], 'sleep', '600')
    await protection.until(id, 'start')
    const resolving = await engine.pidOf(id)
    const dial = ['socat', '-T1', 'TCP4:127.0.0.11:53,connect-timeout=1', 'EXEC:true']
    const query = String.raw`\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03web\x00\x00\x01\x00\x01`
    const ask = ['bash', '-c', `printf '${query}' | socat -t1 -T1 - UDP4:127.0.0.11:53`]
    const isOpen = enforcement === 'local'
    expect((await runCommand(inside(resolving, dial))).code === 0).toBe(isOpen)
    expect((await runCommand(inside(resolving, ask))).stdout !== '').toBe(isOpen)
  })
})
