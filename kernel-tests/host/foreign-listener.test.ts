/** Who binds a PU's port does not speak with its identity: the listener that the kernel would choose is asked for its cgroup. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { program } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { FAMILIES, type Host, makeTwoHosts } from '../harness/hosts.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { BATCH, FRONTEND, WEB, WEB_POLICY } from '../harness/pair.js'
import { asPU, connectAsPU, type ProcessingUnit, startPlainServer } from '../harness/processing-unit.js'
import { Teardown } from '../harness/teardown.js'

const PORT = 7000
const FIRST_SYN_MS = 900

describe('a stranger at a PU’s port', { timeout: 120_000 }, () => {
  const teardown = new Teardown()
  let host: Host
  let client: Daemon
  let server: Daemon

  beforeEach(async () => {
    const hosts = teardown.own(await makeTwoHosts())
    host = hosts.b
    server = teardown.own(await Daemon.start(hosts.b, { policy: WEB_POLICY }))
    client = teardown.own(await Daemon.start(hosts.a, { policy: WEB_POLICY }))
  })
  afterEach(() => teardown.run())

  const listening = async (argv: readonly string[], env?: NodeJS.ProcessEnv) => {
    const process = teardown.own(new JSONLinesProcess(argv, env))
    expect(await process.next()).toEqual({ listening: PORT })
    return process
  }
  /** The web server as a PU, on one address. */
  const webAt = (address: string) =>
    listening(asPU(server, WEB, program('echo-server', String(PORT), address)), server.env)
  const strangerAt = (address: string) =>
    listening(host.namespace.inside(program('echo-server', String(PORT), address)))
  const connect = async (address: string) =>
    teardown.own(await connectAsPU(client, FRONTEND, { address, port: PORT }))
  const isServed = async (address: string) => {
    const session = await connect(address)
    expect(session.outcome).toMatchObject({ connected: true })
    expect(await session.exchange(10_000)).toMatchObject({ equal: true })
  }
  const isRefused = async (address: string, reason: string) => {
    const { outcome } = await connect(address)
    expect(outcome).toMatchObject({ connected: false, error: 'ECONNREFUSED' })
    expect(outcome.ms).toBeLessThan(FIRST_SYN_MS)
    const record = await server.flowLike(
      flow => flow.destination.ip === address && flow.verdict === 'reject' && flow.reason === reason,
    )
    expect(record).toMatchObject({ reason, destination: { port: PORT } })
  }
  /** A PU that has declared the port and does not listen. */
  const idle = async (unit: ProcessingUnit = WEB) => {
    const process = new JSONLinesProcess(asPU(server, unit, ['sh', '-c', 'echo 1; exec cat']), server.env)
    expect(await teardown.own(process).next()).toBe(1)
  }

  it('takes the port while the server is down: refused, and named, over both families', async () => {
    await idle()
    for (const family of FAMILIES) await isRefused(host.addresses[family], 'no-listener')
    // `::` takes IPv4, too.
    teardown.own(await startPlainServer(host, PORT))
    for (const family of FAMILIES) await isRefused(host.addresses[family], 'foreign-listener')
  })

  it('takes the other address family, or another address of the host: the server’s own is served', async () => {
    await webAt(host.addresses.IPv4)
    await strangerAt(host.addresses.IPv6)
    await isServed(host.addresses.IPv4)
    await isRefused(host.addresses.IPv6, 'foreign-listener')
  })

  it('takes everything but the server’s own address', async () => {
    await webAt(host.addresses.IPv6)
    await host.namespace.mustRun(['ip', 'addr', 'add', '10.77.0.9/24', 'dev', 'eth0'])
    await strangerAt('0.0.0.0')
    await isServed(host.addresses.IPv6)
    for (const address of [host.addresses.IPv4, '10.77.0.9']) await isRefused(address, 'foreign-listener')
  })

  it('is another PU: it has an identity of its own', async () => {
    await idle()
    await listening(asPU(server, BATCH, program('echo-server', String(PORT))), server.env)
    await isRefused(host.addresses.IPv4, 'foreign-listener')
  })

  it('joins the server’s SO_REUSEPORT group and has a program steer every connection to itself', async () => {
    const shared = (...args: string[]) => [
      'python3',
      `${import.meta.dirname}/../harness/programs/shared-port.py`,
      String(PORT),
      '0.0.0.0',
      ...args,
    ]
    await listening(asPU(server, WEB, shared()), server.env)
    await isServed(host.addresses.IPv4)
    const thief = new JSONLinesProcess(host.namespace.inside(shared('steer')))
    expect(await thief.next()).toEqual({ listening: PORT })
    for (let round = 0; round < 20; round++) {
      const session = await connect(host.addresses.IPv4)
      // Where its port's hash chooses the server's own socket, the handshake begins and is refused at its end.
      if (session.outcome.connected) await expect(session.exchange(100)).rejects.toThrow(/connection failed/)
    }
    await server.flowLike(({ reason }) => reason === 'foreign-listener')
    await expect(thief.next(500)).rejects.toThrow()
    await thief.stop()
    await eventually('the server has its port for itself again', async () => {
      const session = await connect(host.addresses.IPv4)
      return session.outcome.connected && (await session.exchange(100)).equal
    })
  })
})
