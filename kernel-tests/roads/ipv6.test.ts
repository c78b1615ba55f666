/** IPv6 that nobody enforces is no way around: it is denied, or the PU does not run. */
import { rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { program } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { makeTwoHosts, type TwoHosts } from '../harness/hosts.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { FRONTEND, WEB, WEB_POLICY } from '../harness/pair.js'
import {
  connectAsPU,
  connectPlainly,
  runAsPU,
  startPlainServer,
  startServer,
} from '../harness/processing-unit.js'
import { Teardown } from '../harness/teardown.js'

const PLAIN_PORT = 7001

describe('IPv6 that is not enforced', () => {
  const teardown = new Teardown()
  afterEach(() => teardown.run())

  const prepare = async (hosts: TwoHosts, config = {}) => {
    const server = teardown.own(await Daemon.prepare(hosts.b, { policy: WEB_POLICY, config }))
    const client = teardown.own(await Daemon.prepare(hosts.a, { policy: WEB_POLICY, config }))
    return { server, client }
  }

  it('where no IPv6 network is among the trireme networks, it is refused in either direction', async () => {
    const hosts = teardown.own(await makeTwoHosts())
    const { server, client } = await prepare(hosts, { networks: ['10.0.0.0/8'] })
    for (const daemon of [server, client]) await daemon.start()
    teardown.own(await startServer(server, WEB))
    teardown.own(await startPlainServer(hosts.b, PLAIN_PORT))
    const { IPv4, IPv6 } = hosts.b.addresses

    const enforced = teardown.own(await connectAsPU(client, FRONTEND, { address: IPv4, port: 7000 }))
    expect(await enforced.exchange(1_000)).toMatchObject({ equal: true })
    for (const port of [7000, PLAIN_PORT]) {
      const out = teardown.own(await connectAsPU(client, FRONTEND, { address: IPv6, port }))
      expect(out.outcome).toMatchObject({ connected: false, error: 'ECONNREFUSED' })
    }
    const incoming = teardown.own(await connectPlainly(hosts.a, { address: IPv6, port: 7000 }))
    expect(incoming.outcome).toMatchObject({ connected: false, error: 'ECONNREFUSED' })

    const listener = hosts.b.namespace.inside(program('udp-listener', String(PLAIN_PORT)))
    const udp = teardown.own(new JSONLinesProcess(listener))
    await udp.next()
    await runAsPU(client, FRONTEND, datagram(IPv6, 'of a PU'))
    await hosts.a.namespace.mustRun(datagram(IPv6, 'of nobody'))
    expect(await udp.next()).toEqual({ text: 'of nobody' })
  })

  it('where ip6tables does not work, no PU runs', async () => {
    const hosts = teardown.own(await makeTwoHosts())
    const { client } = await prepare(hosts)
    const restore = join(client.folder, 'iptables-nft', 'ip6tables-restore')
    await rm(restore)
    await symlink('/bin/false', restore)
    await expect(client.start()).rejects.toThrow(/ip6tables-restore/)
    expect(await runAsPU(client, FRONTEND, ['echo', 'it runs'])).toMatchObject({ code: 125, stdout: '' })
  })
})

function datagram(address: string, text: string): readonly string[] {
  const send = `s.send(${JSON.stringify(text)}, ${PLAIN_PORT}, '${address}', () => s.close())`
  return [process.execPath, '-e', `const s = require('dgram').createSocket('udp6'); ${send}`]
}
