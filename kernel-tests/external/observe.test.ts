/** `mode: observe` for one PU plans a roll-out: nothing is denied to it, everything is recorded, and other PUs stay enforced. */
import { afterEach, describe, expect, it } from 'vitest'
import type { ProcessingUnit } from '../harness/processing-unit.js'
import { Teardown } from '../harness/teardown.js'
import { makeNeighbours, networksOf } from './peers.js'

const PLANNED: ProcessingUnit = { labels: { app: 'planned' }, ports: [] }
const ENFORCED: ProcessingUnit = { labels: { app: 'enforced' }, ports: [] }

describe('a PU in mode observe', { timeout: 120_000 }, () => {
  const teardown = new Teardown()
  afterEach(() => teardown.run())

  it('is denied nothing, its records name what would deny, and another PU is still refused', async () => {
    const net = await makeNeighbours(teardown, {
      backend: 'nft',
      policy: { pus: [{ pu: { app: 'planned' }, mode: 'observe' }] },
      external: peer => {
        const out = { pu: {}, direction: 'out', networks: networksOf(peer) }
        return [
          { name: 'web-out', ...out, ports: [7100], action: 'allow' },
          { name: 'no-admin', ...out, ports: [7101], action: 'deny' },
        ]
      },
    })
    const peer = net.peer.addresses.IPv4
    for (const port of [7100, 7101, 7102]) await net.serve('IPv4', port)
    const flowTo = (port: number, verdict: string) =>
      net.daemon.flowLike(
        record => record.destination.port === port && record.verdict === verdict && record.source.id !== '',
      )

    for (const port of [7100, 7101, 7102])
      expect(await net.ask(PLANNED, 'tcp', peer, String(port))).toBe('echo')
    expect(await flowTo(7100, 'accept')).toMatchObject({ rule: 'web-out', observed: false })
    expect(await flowTo(7101, 'accept')).toMatchObject({ rule: 'no-admin', observed: true })
    expect(await flowTo(7102, 'accept')).toMatchObject({ rule: 'default deny', observed: true })

    expect(await net.ask(ENFORCED, 'tcp', peer, '7100')).toBe('echo')
    for (const port of [7101, 7102])
      expect(await net.ask(ENFORCED, 'tcp', peer, String(port))).toBe('ECONNREFUSED')
    expect(await flowTo(7101, 'reject')).toMatchObject({ rule: 'no-admin', observed: false })
  })
})
