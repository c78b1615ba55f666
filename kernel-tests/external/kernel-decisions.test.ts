/** Peers without identity: what the kernel decides alone shows in flow records and counters as if the daemon had decided. */
import { afterEach, describe, expect, it } from 'vitest'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { asPU } from '../harness/processing-unit.js'
import { Teardown } from '../harness/teardown.js'
import { makeNeighbours, networksOf, traffic } from './peers.js'

const BATCH = { labels: { app: 'batch' } }
const WEB = { labels: { app: 'web' }, ports: [7000] }

const MATRIX = [
  { backend: 'nft', family: 'IPv4' },
  { backend: 'legacy', family: 'IPv6' },
] as const

describe('decisions of the kernel', { timeout: 120_000 }, () => {
  const teardown = new Teardown()
  afterEach(() => teardown.run())

  it.each(MATRIX)(
    'are reported with rule, direction, protocol and mode, $backend, $family',
    async ({ backend, family }) => {
      const net = await makeNeighbours(teardown, {
        backend,
        external: peer => [
          { name: 'web-out', ...out(peer), ports: [7100], action: 'allow' },
          { name: 'dns-out', ...out(peer), protocol: 'udp', ports: [7053], action: 'allow' },
          { name: 'admin-out', ...out(peer), ports: [7101], action: 'deny', mode: 'observe' },
          { name: 'watch-out', ...out(peer), ports: [7100], action: 'deny', mode: 'observe' },
          { name: 'ping-out', ...out(peer), protocol: 'icmp', action: 'allow' },
          {
            name: 'nothing-in',
            pu: { app: 'web' },
            direction: 'in',
            networks: networksOf(peer),
            action: 'deny',
          },
        ],
      })
      const peer = net.peer.addresses[family]
      for (const port of [7053, 7100, 7101, 7102]) await net.serve(family, port)

      expect(await net.ask(BATCH, 'tcp', peer, '7100')).toBe('echo')
      await net.daemon.flowLike(
        like({ port: 7100, verdict: 'accept', rule: 'web-out', wouldReject: 'watch-out' }),
      )
      expect(await net.ask(BATCH, 'udp', peer, '7053')).toBe('echo')
      await net.daemon.flowLike(like({ port: 7053, protocol: 'udp', verdict: 'accept', rule: 'dns-out' }))
      expect(await net.ask(BATCH, 'tcp', peer, '7101')).toBe('echo')
      await net.daemon.flowLike(like({ port: 7101, verdict: 'accept', rule: 'admin-out', observed: true }))
      expect(await net.ask(BATCH, 'tcp', peer, '7102')).toBe('ECONNREFUSED')
      await net.daemon.flowLike(
        like({ port: 7102, verdict: 'reject', reason: 'policy', rule: 'default deny' }),
      )
      expect(await net.ask(BATCH, 'udp', peer, '7102')).toMatch(/^E(PERM|CONNREFUSED)$/)
      await net.daemon.flowLike(like({ port: 7102, protocol: 'udp', verdict: 'reject', reason: 'policy' }))
      expect(await net.ask(BATCH, 'ping', peer)).toBe('echo')
      await net.daemon.flowLike(like({ port: 0, protocol: 'icmp', verdict: 'accept', rule: 'ping-out' }))

      const serve = traffic('serve', net.host.addresses[family], '7000')
      const web = teardown.own(new JSONLinesProcess(asPU(net.daemon, WEB, serve), net.daemon.env))
      await web.next()
      expect(await net.ask('peer', 'tcp', net.host.addresses[family], '7000')).toBe('ECONNREFUSED')
      const refused = await net.daemon.flowLike(like({ port: 7000, verdict: 'reject', rule: 'nothing-in' }))
      expect(refused.source).toMatchObject({ id: '', ip: peer })
      expect(refused.destination.id).not.toBe('')
      const { pus } = await net.daemon.status()
      expect(pus[0]).toMatchObject({
        counters: { 'drop.policy': 1, rejected: 1 },
        queue: { waiting: 0, dropped: 0 },
      })
    },
  )
})

function out(peer: Parameters<typeof networksOf>[0]) {
  return { pu: { app: 'batch' }, direction: 'out', networks: networksOf(peer) }
}

interface Expected {
  readonly port: number
  readonly verdict: string
  readonly protocol?: string
  readonly reason?: string
  readonly rule?: string
  readonly observed?: boolean
  readonly wouldReject?: string
}

function like({ port, ...expected }: Expected) {
  const all = { protocol: undefined, observed: false, ...expected }
  return (record: object) =>
    Object.entries(all).every(([key, value]) => Reflect.get(record, key) === value) &&
    (record as { destination: { port: number } }).destination.port === port
}
