/** How soon a client hears of a refusal. The bounds are ten times what is asked for: the machine may be busy. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { program } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { FAMILIES, type Family } from '../harness/hosts.js'
import { BATCH, FRONTEND, WEB_POLICY } from '../harness/pair.js'
import { type ProcessingUnit, runAsPU, startServer } from '../harness/processing-unit.js'
import { makeRoutedHosts, type RoutedHosts } from '../harness/routed-hosts.js'
import { Teardown } from '../harness/teardown.js'

const [LISTENED, SILENT] = [7000, 7001]
const SERVER: ProcessingUnit = { labels: { app: 'web' }, ports: [LISTENED, SILENT] }
const POLICY = {
  ...WEB_POLICY,
  rules: [{ name: 'web', to: { app: 'web' }, from: { app: 'frontend' }, action: 'allow' }],
}

interface Timed {
  readonly outcomes: Readonly<Record<string, number>>
  readonly p50: number
  readonly p99: number
  readonly max: number
}

describe('refusals', () => {
  const teardown = new Teardown()
  let hosts: RoutedHosts
  let client: Daemon
  let server: Daemon

  beforeAll(async () => {
    hosts = teardown.own(await makeRoutedHosts())
    server = teardown.own(await Daemon.start(hosts.b, { policy: POLICY }))
    client = teardown.own(await Daemon.start(hosts.a, { policy: POLICY }))
    teardown.own(await startServer(server, SERVER))
  })
  afterAll(() => teardown.run())

  const connects = async (unit: ProcessingUnit, family: Family, [port, count]: readonly [number, number]) => {
    const target = [hosts.b.addresses[family], String(port), String(count)]
    const { stdout, stderr } = await runAsPU(client, unit, program('timed-connects', ...target))
    if (stdout === '') throw new Error(stderr)
    const timed = JSON.parse(stdout) as Timed
    const { p50, p99, max } = timed
    console.log(
      `port ${port}, ${Object.keys(timed.outcomes)}, ${family}: p50 ${p50}, p99 ${p99}, max ${max} ms`,
    )
    return timed
  }

  it.each(FAMILIES)('flaw 13: a port where nobody listens, within 100 ms, over %s', async family => {
    const { outcomes, p99 } = await connects(FRONTEND, family, [SILENT, 200])
    expect(outcomes).toEqual({ ECONNREFUSED: 200 })
    expect(p99).toBeLessThan(1_000)
  })

  it.each(FAMILIES)('what the policy denies, within 50 ms, over %s', async family => {
    const { outcomes, p99 } = await connects(BATCH, family, [LISTENED, 1_000])
    expect(outcomes).toEqual({ ECONNREFUSED: 1_000 })
    const ip = hosts.b.addresses[family]
    await server.flowLike(({ reason, destination }) => reason === 'policy' && destination.ip === ip)
    expect(p99).toBeLessThan(500)
  })

  it.each(FAMILIES)('what the policy allows connects meanwhile, over %s', async family => {
    expect((await connects(FRONTEND, family, [LISTENED, 20])).outcomes).toEqual({ connected: 20 })
  })
})
