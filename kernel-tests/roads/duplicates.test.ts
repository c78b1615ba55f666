/**
 * The overlays of a connection arrive again: doubled at once, and resent in every state that the connection comes through. The
 * applications read none of it (flaw 21).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { FAMILIES, type Family, type Host, makeHost } from '../harness/hosts.js'
import { OnPath, sealed } from '../harness/on-path.js'
import { FRONTEND, WEB, WEB_POLICY } from '../harness/pair.js'
import { connectAsPU, startServer } from '../harness/processing-unit.js'
import { makeRoutedHosts } from '../harness/routed-hosts.js'
import { Teardown } from '../harness/teardown.js'

const STREAM_BYTES = 5_000_000
const TIMES = 5

interface Road {
  readonly onPath: OnPath
  readonly client: Daemon
  readonly serverHost: Host
}

const ROADS: Readonly<Record<string, (teardown: Teardown) => Promise<Road>>> = {
  'two hosts': async teardown => {
    const hosts = teardown.own(await makeRoutedHosts())
    const server = teardown.own(await Daemon.start(hosts.b, { policy: WEB_POLICY }))
    const client = teardown.own(await Daemon.start(hosts.a, { policy: WEB_POLICY }))
    teardown.own(await startServer(server, WEB))
    const onPath = teardown.own(await OnPath.start(hosts.router))
    return { onPath, client, serverHost: hosts.b }
  },
  loopback: async teardown => {
    const host = teardown.own(await makeHost())
    const daemon = teardown.own(await Daemon.start(host, { policy: WEB_POLICY }))
    teardown.own(await startServer(daemon, WEB))
    const at = ['-t', 'mangle', '-A', 'POSTROUTING', '-o', 'lo']
    const onPath = teardown.own(await OnPath.start(host.namespace, { at, into: 'loopback' }))
    return { onPath, client: daemon, serverHost: host }
  },
}

describe.each(Object.keys(ROADS))('flaw 21: overlays that come again, %s', name => {
  const teardown = new Teardown()
  let road: Road

  beforeAll(async () => {
    road = await ROADS[name]!(teardown)
  })
  afterAll(() => teardown.run())

  const connect = (family: Family) =>
    connectAsPU(road.client, FRONTEND, { address: road.serverHost.addresses[family], port: 7000 })

  /** Doubles every overlay of the connections that begin from now on, and keeps one of each. */
  const doubleAndKeep = (): readonly Uint8Array[] => {
    const kept: Uint8Array[] = []
    road.onPath.treat(({ kind, copy, packet }) => {
      if (kind === undefined || !packet.hasOverlayOption) return 'pass'
      if (copy === 1) kept.push(sealed(packet))
      return 'twice'
    })
    return kept
  }

  it.each(FAMILIES)('are never delivered, in no state, over %s', async family => {
    const overlays = doubleAndKeep()
    const session = await connect(family)
    try {
      expect(session.outcome).toMatchObject({ connected: true })
      // The connect ends before the ACK is on its way.
      await eventually('three overlays', () => overlays.length === 3, { everyMs: 5 })
      await resend(overlays)
      for (const bytes of [1, 1_000, 100_000]) {
        expect(await session.exchange(bytes)).toMatchObject({ received: bytes, equal: true })
        await resend(overlays)
      }
      const streaming = session.exchange(STREAM_BYTES)
      for (let times = 0; times < TIMES; times += 1) await resend(overlays)
      expect(await streaming).toMatchObject({ received: STREAM_BYTES, equal: true })
    } finally {
      await session.stop()
    }
    await resend(overlays)
    const next = await connect(family)
    try {
      await resend(overlays)
      expect(await next.exchange(1_000)).toMatchObject({ received: 1_000, equal: true })
    } finally {
      await next.stop()
    }
    expect(road.onPath.errors).toEqual([])
  })

  const resend = async (overlays: readonly Uint8Array[]): Promise<void> => {
    for (const overlay of overlays) await road.onPath.inject(overlay)
  }
})
