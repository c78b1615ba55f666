/** A process with CAP_NET_RAW may set packet marks: none of them is a command, on the wire or on loopback. */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { program } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { FAMILIES, type Host, makeHost, makeTwoHosts } from '../harness/hosts.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { BATCH, WEB, WEB_POLICY } from '../harness/pair.js'
import { runAsPU, startServer } from '../harness/processing-unit.js'
import { Teardown } from '../harness/teardown.js'

const PROGRAM = fileURLToPath(new URL('../harness/programs/marked-packets.py', import.meta.url))
const VALUES = 4_096
/** Of the PU that the policy protects, and of a server beside it. */
const [TCP_PORT, UDP_PORT] = [7000, 7053]

interface Scene {
  readonly sender: Daemon
  readonly receiver: Host
}

const SCENES: Readonly<Record<string, (teardown: Teardown) => Promise<Scene>>> = {
  'two hosts': async teardown => {
    const { a, b } = teardown.own(await makeTwoHosts())
    const server = teardown.own(await Daemon.start(b, { policy: WEB_POLICY }))
    const sender = teardown.own(await Daemon.start(a, { policy: WEB_POLICY }))
    teardown.own(await startServer(server, WEB))
    return { sender, receiver: b }
  },
  loopback: async teardown => {
    const host = teardown.own(await makeHost())
    const daemon = teardown.own(await Daemon.start(host, { policy: WEB_POLICY }))
    teardown.own(await startServer(daemon, WEB))
    return { sender: daemon, receiver: host }
  },
}

describe.each(Object.keys(SCENES))('every value of the private mark, %s', name => {
  const teardown = new Teardown()
  let scene: Scene
  let udp: JSONLinesProcess

  beforeAll(async () => {
    scene = await SCENES[name]!(teardown)
    const listener = scene.receiver.namespace.inside(program('udp-listener', String(UDP_PORT)))
    udp = teardown.own(new JSONLinesProcess(listener))
    await udp.next()
  })
  afterAll(() => teardown.run())

  it.each(FAMILIES)('leaves the PU as enforced as it was, over %s', async family => {
    const address = scene.receiver.addresses[family]
    const attack = ['python3', PROGRAM, address, String(TCP_PORT), String(UDP_PORT)]
    const { stdout, stderr } = await runAsPU(scene.sender, BATCH, attack, { timeoutMs: 60_000 })
    expect(JSON.parse(stdout || '{}'), stderr).toEqual({ ECONNREFUSED: VALUES })
    // The first datagram that arrives is one that nobody enforces.
    const datagram = `require('dgram').createSocket('${family === 'IPv4' ? 'udp4' : 'udp6'}')`
    const script = `const s = ${datagram}; s.send('unmarked', ${UDP_PORT}, '${address}', () => s.close())`
    await scene.sender.host.namespace.mustRun(['node', '-e', script])
    expect(await udp.next()).toEqual({ text: 'unmarked' })
  })
})
