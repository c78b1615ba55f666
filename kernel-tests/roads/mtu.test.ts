/** Narrow roads: what an overlay adds must fit, on the narrowest that IPv6 knows, with the largest identity that is taken. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Daemon } from '../harness/daemon.js'
import { FAMILIES } from '../harness/hosts.js'
import { OnPath } from '../harness/on-path.js'
import { WEB_POLICY } from '../harness/pair.js'
import { connectAsPU, type ProcessingUnit, runAsPU, startServer } from '../harness/processing-unit.js'
import { makeRoutedHosts, type RoutedHosts } from '../harness/routed-hosts.js'
import { Teardown } from '../harness/teardown.js'

const MTUS = [1500, 1450, 1400, 1280]
/** What an overlay may have: an IPv6 path of 1,280 bytes with a TCP header of 60. */
const MAX_OVERLAY_BYTES = 1_180
/** Identities that nearly fill an overlay: tags in full, as long as they fit. */
const LARGE = { note: 'x'.repeat(970) }
const SERVER: ProcessingUnit = { labels: { app: 'web', ...LARGE }, ports: [7000] }
const CLIENT: ProcessingUnit = { labels: { app: 'frontend', ...LARGE } }

describe('paths of a small MTU', () => {
  const teardown = new Teardown()
  let hosts: RoutedHosts
  let client: Daemon
  let onPath: OnPath

  beforeAll(async () => {
    hosts = teardown.own(await makeRoutedHosts())
    const server = teardown.own(await Daemon.start(hosts.b, { policy: WEB_POLICY }))
    client = teardown.own(await Daemon.start(hosts.a, { policy: WEB_POLICY }))
    teardown.own(await startServer(server, SERVER))
    onPath = teardown.own(await OnPath.start(hosts.router))
  })
  afterAll(() => teardown.run())

  /** The hosts' own links stay as wide as they were: only the router knows. */
  const narrow = async (mtu: number) => {
    for (const net of [1, 2]) {
      for (const network of [`10.77.${net}.0/24`, `fd00:77:${net}::/64`]) {
        // The metric is that of the route which came with the address, and which has to give way.
        const metric = network.includes(':') ? ['metric', '256'] : []
        const route = [
          'route',
          'replace',
          network,
          'dev',
          `port${net}`,
          ...metric,
          'mtu',
          'lock',
          String(mtu),
        ]
        await hosts.router.mustRun(['ip', ...route])
      }
    }
  }

  it.each(MTUS.flatMap(mtu => FAMILIES.map(family => [mtu, family] as const)))(
    'of %i: the largest identities connect and every byte arrives, over %s',
    async (mtu, family) => {
      await narrow(mtu)
      let overlay = 0
      onPath.treat(({ packet }) => {
        if (packet.hasOverlayOption) overlay = Math.max(overlay, packet.payloadLength)
        return 'pass'
      })
      const target = { address: hosts.b.addresses[family], port: 7000 }
      const session = await connectAsPU(client, CLIENT, target)
      try {
        expect(session.outcome).toMatchObject({ connected: true })
        expect(await session.exchange(300_000)).toMatchObject({ received: 300_000, equal: true })
      } finally {
        await session.stop()
      }
      expect(overlay).toBeGreaterThan(MAX_OVERLAY_BYTES - 100)
      expect(overlay).toBeLessThanOrEqual(MAX_OVERLAY_BYTES)
      // The router told the client's host, through the rules.
      const route = await hosts.a.namespace.mustRun(['ip', 'route', 'get', target.address])
      if (mtu < 1500) expect(route).toContain(`mtu ${mtu}`)
    },
  )

  it('an identity that would not fit is refused when it is to become a PU, with its size', async () => {
    const many = Array.from({ length: 120 }, (_, index) => [`key-${index}`, 'x'.repeat(60)])
    const unit = { labels: { app: 'frontend', ...Object.fromEntries(many) } }
    const { code, stdout, stderr } = await runAsPU(client, unit, ['echo', 'it runs'])
    expect(code).toBe(125)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/\d+ bytes/)
  })
})
