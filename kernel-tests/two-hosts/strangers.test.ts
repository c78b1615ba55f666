/** Hosts that do not share what an authenticated connection needs: the secret, the encoding, an enforcer at all. */
import { afterEach, describe, expect, it } from 'vitest'
import { Daemon } from '../harness/daemon.js'
import { FAMILIES, makeTwoHosts } from '../harness/hosts.js'
import { BACKENDS } from '../harness/iptables-backend.js'
import { FRONTEND, startPair, WEB, WEB_POLICY } from '../harness/pair.js'
import { connectAsPU, connectPlainly, startPlainServer, startServer } from '../harness/processing-unit.js'
import { Teardown } from '../harness/teardown.js'

const FIRST_SYN_MS = 900

describe.each(BACKENDS)('strangers, iptables-%s', { timeout: 120_000 }, backend => {
  const teardown = new Teardown()
  afterEach(() => teardown.run())

  it('a peer with another PSK gets no answer, and the server says why', async () => {
    const pair = await startPair(teardown, {
      both: { backend },
      client: { psk: 'another secret of 27 bytes.' },
    })
    for (const family of FAMILIES) {
      const target = { address: pair.serverHost.addresses[family], port: 7000, timeoutMs: 2_500 }
      const session = teardown.own(await connectAsPU(pair.client, FRONTEND, target))
      expect(session.outcome).toMatchObject({ connected: false, error: 'TIMEOUT' })
      const flow = await pair.server.flowLike(({ destination }) => destination.ip === target.address)
      expect(flow).toMatchObject({ verdict: 'reject', reason: 'token' })
    }
  })

  it('a peer with another encoding gets no answer, and the server says why', async () => {
    const options = { client: { config: { tokens: 'jwt' } }, server: { config: { tokens: 'binary' } } }
    const pair = await startPair(teardown, { both: { backend }, ...options })
    const target = { address: pair.serverHost.addresses.IPv4, port: 7000, timeoutMs: 2_500 }
    const session = teardown.own(await connectAsPU(pair.client, FRONTEND, target))
    expect(session.outcome).toMatchObject({ connected: false, error: 'TIMEOUT' })
    const flow = await pair.server.flowLike(({ destination }) => destination.ip === target.address)
    expect(flow).toMatchObject({ verdict: 'reject', reason: 'encoding' })
  })

  it('a PU does not speak with a server that no enforcer protects, unless its policy names the address', async () => {
    const { a, b } = teardown.own(await makeTwoHosts())
    teardown.own(await startPlainServer(b, 7000))
    const strict = teardown.own(await Daemon.start(a, { policy: WEB_POLICY, backend }))
    for (const family of FAMILIES) {
      const target = { address: b.addresses[family], port: 7000 }
      const { outcome } = teardown.own(await connectAsPU(strict, FRONTEND, target))
      expect(outcome).toMatchObject({ connected: false, error: 'ECONNREFUSED' })
      expect(outcome.ms).toBeLessThan(FIRST_SYN_MS)
      const flow = await strict.flowLike(({ destination }) => destination.ip === target.address)
      expect(flow).toMatchObject({ verdict: 'reject', reason: 'stripped-or-unenforced' })
    }
    await strict.terminate()
    await strict.writePolicy({
      ...WEB_POLICY,
      external: [
        external({ direction: 'out', pu: FRONTEND.labels, networks: ['10.77.0.0/24', 'fd00:77::/64'] }),
      ],
    })
    await strict.start()
    for (const family of FAMILIES) {
      const target = { address: b.addresses[family], port: 7000 }
      const session = teardown.own(await connectAsPU(strict, FRONTEND, target))
      expect(session.outcome).toMatchObject({ connected: true })
      expect(await session.exchange(10_000)).toMatchObject({ equal: true })
    }
  })

  it('a server lets no client in that no enforcer vouches for, unless its policy names the address', async () => {
    const { a, b } = teardown.own(await makeTwoHosts())
    const policy = {
      ...WEB_POLICY,
      external: [external({ direction: 'in', pu: WEB.labels, networks: ['fd00:77::/64'] })],
    }
    const daemon = teardown.own(await Daemon.start(b, { policy, backend }))
    teardown.own(await startServer(daemon, WEB))
    const refused = teardown.own(await connectPlainly(a, { address: b.addresses.IPv4, port: 7000 }))
    expect(refused.outcome).toMatchObject({ connected: false, error: 'ECONNREFUSED' })
    expect(refused.outcome.ms).toBeLessThan(FIRST_SYN_MS)
    const allowed = teardown.own(await connectPlainly(a, { address: b.addresses.IPv6, port: 7000 }))
    expect(allowed.outcome).toMatchObject({ connected: true })
    expect(await allowed.exchange(10_000)).toMatchObject({ equal: true })
  })
})

function external(rule: { direction: string; pu: unknown; networks: readonly string[] }) {
  return { name: 'by-address', ports: [7000], protocol: 'tcp', action: 'allow', ...rule }
}
