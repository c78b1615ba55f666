import { afterEach, expect, it } from 'vitest'
import { TRIREME } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { type Host, makeHost } from '../harness/hosts.js'
import { WEB, WEB_POLICY } from '../harness/pair.js'
import { startServer } from '../harness/processing-unit.js'
import { rulesSnapshot } from '../harness/rules-snapshot.js'
import { Teardown } from '../harness/teardown.js'

const teardown = new Teardown()
afterEach(() => teardown.run())

const policy = WEB_POLICY
const problemsOf = async (daemon: Daemon) => (await daemon.command('status')).stdout

async function run(host: Host, ...command: readonly string[]) {
  return host.namespace.run(command)
}

it('a second daemon in one namespace refuses to start and names the first', async () => {
  const host = teardown.own(await makeHost())
  const first = teardown.own(await Daemon.start(host, { policy }))
  const second = teardown.own(await Daemon.prepare(host, { policy }))
  const before = await rulesSnapshot(host.namespace)
  const { code, stderr } = await second.runToEnd()
  expect(code).toBe(3)
  expect(stderr).toContain(`server ID ${first.serverID} (process ID ${first.pid}`)
  expect(await rulesSnapshot(host.namespace)).toBe(before)
  expect((await first.command('status')).code).toBe(0)
})

it('what another server ID left is named, and removed by `uninstall --all`, but not what a live daemon holds', async () => {
  const host = teardown.own(await makeHost())
  const bare = await rulesSnapshot(host.namespace)
  const old = teardown.own(await Daemon.start(host, { policy }))
  const web = await startServer(old, WEB)
  await web.stop()
  await old.crash()
  const live = teardown.own(await Daemon.start(host, { policy }))
  const status = await problemsOf(live)
  expect(status).toMatch(new RegExp(`rules of server ID ${old.serverID} .*trireme uninstall --all`))
  const removed = await run(host, TRIREME, 'uninstall', '--all')
  expect(removed).toMatchObject({ code: 0, stderr: '' })
  expect(removed.stdout).toContain(`removed: cgroups and state of server ID ${old.serverID}`)
  expect(removed.stdout).toMatch(/kept: TRI-\w+-…: a live daemon holds its rules/)
  expect((await live.command('status')).code).toBe(0)
  expect(await live.command('uninstall')).toMatchObject({ code: 0 })
  expect(await rulesSnapshot(host.namespace)).toBe(bare)
})

it('rules of other programs that defeat ours are named: NOTRACK, and marks without a mask', async () => {
  const host = teardown.own(await makeHost())
  const rules = [
    ['iptables-nft', '-t', 'raw', '-A', 'PREROUTING', '-p', 'udp', '-j', 'NOTRACK'],
    ['iptables-nft', '-t', 'mangle', '-A', 'OUTPUT', '-j', 'CONNMARK', '--save-mark'],
    ['iptables-nft', '-t', 'mangle', '-A', 'OUTPUT', '-j', 'MARK', '--set-mark', '5'],
    ['iptables-nft', '-t', 'nat', '-N', 'KUBE-MARK-MASQ'],
    ['iptables-nft', '-t', 'nat', '-A', 'KUBE-MARK-MASQ', '-j', 'MARK', '--set-mark', '0x4000'],
    ['nft', 'add table inet vpn'],
    ['nft', 'add chain inet vpn out { type route hook output priority mangle; }'],
    ['nft', 'add rule inet vpn out meta mark set 0x00000005'],
    ['nft', 'add rule inet vpn out udp dport 99 notrack'],
  ]
  for (const command of rules) expect(await run(host, ...command)).toMatchObject({ code: 0 })
  const daemon = teardown.own(await Daemon.start(host, { policy }))
  const status = await problemsOf(daemon)
  const lines = status.slice(status.indexOf('\nproblems\n')).split('\n')
  const about = (...words: readonly string[]) =>
    lines.filter(line => words.every(word => line.includes(word))).length
  expect(about('IPv4 raw PREROUTING', 'keeps packets from connection tracking')).toBe(1)
  expect(about('inet vpn out', 'notrack', 'keeps packets from connection tracking')).toBe(1)
  expect(about('IPv4 mangle OUTPUT', 'of ours in the connection mark')).toBe(1)
  expect(about('IPv4 mangle OUTPUT', 'of ours in the packet mark')).toBe(1)
  expect(about('kube-proxy', 'of ours in the packet mark')).toBe(1)
  expect(about('another program: inet vpn out', 'meta mark set')).toBe(1)
})
