import { afterEach, describe, expect, it } from 'vitest'
import type { Daemon } from '../harness/daemon.js'
import { FAMILIES, type Host } from '../harness/hosts.js'
import { BACKENDS, type Backend } from '../harness/iptables-backend.js'
import { connectionMarks } from '../harness/kernel-counters.js'
import { FRONTEND, type Pair, startPair } from '../harness/pair.js'
import { connectAsPU } from '../harness/processing-unit.js'
import { rulesSnapshot } from '../harness/rules-snapshot.js'
import { Teardown } from '../harness/teardown.js'

/** The mark that the other program gives to connections, in bits that are its own. */
const FOREIGN_MARK = 0x42
const FOREIGN_MASK = 0xff

/** Rules of another program, in three tables: appended and inserted, in chains of its own and in built-in ones. */
const FOREIGN_RULES = [
  '-t mangle -N OTHER',
  `-t mangle -A OTHER -p tcp -j CONNMARK --set-xmark ${FOREIGN_MARK}/${FOREIGN_MASK}`,
  '-t mangle -A PREROUTING -m comment --comment foreign -j OTHER',
  '-t mangle -A OUTPUT -m comment --comment foreign -j OTHER',
  '-t mangle -I INPUT -p udp --dport 4000 -m comment --comment foreign -j MARK --set-xmark 0x7/0xff',
  '-t nat -A OUTPUT -p tcp --dport 4001 -m comment --comment foreign -j REDIRECT --to-ports 4002',
  '-t nat -A POSTROUTING -p tcp --dport 4003 -m comment --comment foreign -j MASQUERADE',
  '-t filter -N OTHER',
  '-t filter -A OTHER -p tcp --dport 4004 -j DROP',
  '-t filter -I INPUT -m comment --comment foreign -j OTHER',
  '-t filter -A OUTPUT -p tcp --dport 4005 -m comment --comment foreign -j REJECT',
]

describe.each(BACKENDS)('rules of another program, iptables-%s', { timeout: 120_000 }, backend => {
  const teardown = new Teardown()
  afterEach(() => teardown.run())

  it('are the same after start, update, stop and uninstall, and so are its marks', async () => {
    const planted: string[] = []
    const pair = await startPair(teardown, {
      both: { backend },
      prepare: async host => {
        await plant(host, backend)
        planted.push(await rulesSnapshot(host.namespace))
      },
    })
    await expectUnchanged(pair, planted)

    const session = teardown.own(await connectAsPU(pair.client, FRONTEND, target(pair)))
    expect(await session.exchange(10_000)).toMatchObject({ equal: true })
    for (const host of [pair.clientHost, pair.serverHost]) {
      const marks = await connectionMarks(host.namespace, 7000)
      expect(marks.length).toBeGreaterThan(0)
      expect(marks.map(mark => mark & FOREIGN_MASK)).toEqual(marks.map(() => FOREIGN_MARK))
    }
    await expectUnchanged(pair, planted)

    const daemons = [pair.client, pair.server]
    for (const daemon of daemons) await daemon.terminate()
    await expectUnchanged(pair, planted)
    for (const daemon of daemons) await update(daemon)
    await expectUnchanged(pair, planted)

    await session.stop()
    await pair.web.stop()
    for (const daemon of daemons) await daemon.terminate()
    for (const daemon of daemons) expect(await daemon.uninstall()).toMatchObject({ code: 0 })
    expect(await rulesSnapshot(pair.clientHost.namespace)).toBe(planted[0])
    expect(await rulesSnapshot(pair.serverHost.namespace)).toBe(planted[1])
  })
})

async function plant(host: Host, backend: Backend): Promise<void> {
  for (const iptables of [`iptables-${backend}`, `ip6tables-${backend}`]) {
    for (const rule of FOREIGN_RULES) await host.namespace.mustRun([iptables, ...rule.split(' ')])
  }
}

/** Starts the daemon again under a policy of another rule set. */
async function update(daemon: Daemon): Promise<void> {
  await daemon.writePolicy({ default: 'deny', rules: [] })
  await daemon.start()
}

/** The other program's lines are there, in their order; ours stand among them. */
async function expectUnchanged(pair: Pair, planted: readonly string[]): Promise<void> {
  const hosts = [pair.clientHost, pair.serverHost]
  for (const [index, host] of hosts.entries()) {
    const now = foreignLines(await rulesSnapshot(host.namespace))
    expect(now).toEqual(foreignLines(planted[index]!))
    expect(now.length).toBe(FAMILIES.length * FOREIGN_RULES.length)
  }
}

function foreignLines(snapshot: string): readonly string[] {
  return snapshot.split('\n').filter(line => /\bOTHER\b|\bforeign\b/.test(line))
}

function target(pair: Pair) {
  return { address: pair.serverHost.addresses.IPv4, port: 7000 }
}
