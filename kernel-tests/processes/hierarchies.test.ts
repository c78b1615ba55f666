/** Real traffic through monitor, rules and data path together, with cgroup v2 and with v1's net_cls; nested cgroups among it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { program } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { FAMILIES, makeTwoHosts } from '../harness/hosts.js'
import { BATCH, FRONTEND, WEB, WEB_POLICY } from '../harness/pair.js'
import { asPU, connectAsPU, connectPlainly, startServer } from '../harness/processing-unit.js'
import { runCommand } from '../harness/run-command.js'
import { Session } from '../harness/session.js'
import { Teardown } from '../harness/teardown.js'
import { cgroupsIn, HIERARCHIES } from '../monitor/hierarchies.js'

describe.each(HIERARCHIES)('with $name', hierarchy => {
  const teardown = new Teardown()
  afterEach(() => teardown.run())

  it('the right PU is let in, others are not, and nothing is left of them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trireme-hierarchy-'))
    teardown.add(() => rm(folder, { recursive: true }))
    const cgroupRoot = await hierarchy.mount(folder, teardown)
    const { a, b } = teardown.own(await makeTwoHosts())
    const config = { monitors: { linux: { cgroupRoot } } }
    const server = teardown.own(await Daemon.start(b, { policy: WEB_POLICY, config }))
    const client = teardown.own(await Daemon.start(a, { policy: WEB_POLICY, config }))
    teardown.own(await startServer(server, WEB))
    for (const family of FAMILIES) {
      const target = { address: b.addresses[family], port: 7000 }
      const allowed = teardown.own(await connectAsPU(client, FRONTEND, target))
      expect(allowed.outcome).toMatchObject({ connected: true })
      expect(await allowed.exchange(100_000)).toMatchObject({ equal: true })
      const denied = teardown.own(await connectAsPU(client, BATCH, target))
      expect(denied.outcome).toMatchObject({ connected: false, error: 'ECONNREFUSED' })
      const plain = teardown.own(await connectPlainly(a, target))
      expect(plain.outcome).toMatchObject({ connected: false })
    }
    // A PU's process makes a cgroup inside the PU's own and moves into it.
    const move =
      'd=$0/$(sed -n "s/^$1:$2:.\\(.*\\)/\\1/p" /proc/self/cgroup)/inner; mkdir $d && echo $$ > $d/cgroup.procs; shift 2; exec "$@"'
    const line = hierarchy.name.includes('v2') ? ['0', ''] : ['[0-9]*', 'net_cls,net_prio']
    const nested = program('session', b.addresses.IPv4, '7000', '3500')
    const inner = await Session.open(
      asPU(client, FRONTEND, ['sh', '-c', move, cgroupRoot, ...line, ...nested]),
      client.env,
    )
    expect(inner.outcome).toMatchObject({ connected: true })
    await inner.stop()
    const outside = asPU(client, BATCH, ['sh', '-c', move, cgroupRoot, ...line, ...nested])
    expect((await runCommand(outside, { env: client.env })).stdout).toMatch(/ECONNREFUSED/)
    await teardownSessions(client)
    await eventually(
      'no cgroup is left',
      async () => (await cgroupsIn(join(cgroupRoot, `trireme-${client.serverID}`))).length <= 2,
    )
  })
})

/** Those that still run are ended by the teardown. */
async function teardownSessions(daemon: Daemon): Promise<void> {
  await eventually('the ended PUs are gone', async () => (await daemon.status()).pus.length <= 2)
}
