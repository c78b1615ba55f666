import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { FAMILIES, type Family } from '../harness/hosts.js'
import { BACKENDS } from '../harness/iptables-backend.js'
import { conntrackInvalid, queueCounters } from '../harness/kernel-counters.js'
import { BATCH, FRONTEND, type Pair, startPair } from '../harness/pair.js'
import { connectAsPU, connectPlainly, type ProcessingUnit } from '../harness/processing-unit.js'
import type { Session } from '../harness/session.js'
import { Teardown } from '../harness/teardown.js'

/** A refusal that is faster than this came in answer to the first SYN: the second leaves after 1 s. */
const FIRST_SYN_MS = 900
const SIZES = [1, 10_000, 10_000_000]

const cases = BACKENDS.flatMap(backend => ['binary', 'jwt'].map(tokens => ({ backend, tokens })))

describe.each(cases)('two hosts, iptables-$backend, tokens $tokens', ({ backend, tokens }) => {
  const teardown = new Teardown()
  const sessions = new Teardown()
  let pair: Pair

  beforeAll(async () => {
    pair = await startPair(teardown, { both: { backend, config: { tokens } } })
  })
  afterEach(() => sessions.run())
  afterAll(() => teardown.run())

  const connect = async (unit: ProcessingUnit | undefined, family: Family): Promise<Session> => {
    const target = { address: pair.serverHost.addresses[family], port: 7000 }
    const session = unit ? connectAsPU(pair.client, unit, target) : connectPlainly(pair.clientHost, target)
    return sessions.own(await session)
  }

  it.each(FAMILIES)('an allowed connection carries every byte both ways, over %s', async family => {
    const session = await connect(FRONTEND, family)
    expect(session.outcome).toMatchObject({ connected: true })
    for (const size of SIZES) {
      expect(await session.exchange(size)).toMatchObject({ sent: size, received: size, equal: true })
    }
    expect(await conntrackInvalid(pair.clientHost.namespace)).toBe(0)
    expect(await conntrackInvalid(pair.serverHost.namespace)).toBe(0)
  })

  it.each(FAMILIES)('after the handshake no packet goes through a queue, over %s', async family => {
    const session = await connect(FRONTEND, family)
    await session.exchange(1)
    const before = await bothQueues(pair)
    expect(sum(before)).toBeGreaterThan(0)
    await session.exchange(10_000_000)
    expect(await bothQueues(pair)).toEqual(before)
  })

  it.each(FAMILIES)('both ends report the accepted flow under one id, over %s', async family => {
    await connect(FRONTEND, family)
    const ip = pair.serverHost.addresses[family]
    const atServer = await pair.server.flowLike(
      flow => flow.verdict === 'accept' && flow.destination.ip === ip,
    )
    expect(atServer).toMatchObject({ reason: '', rule: 'web-from-frontend', observed: false })
    expect(atServer.source.tags).toContain('app=frontend')
    expect(atServer.destination).toMatchObject({ port: 7000 })
    const atClient = await pair.client.flowLike(flow => flow.id === atServer.id)
    expect(atClient).toMatchObject({ verdict: 'accept', destination: { ip, port: 7000 } })
    expect(atClient.destination.tags).toContain('app=web')
  })

  it.each(FAMILIES)('a connection that the policy denies is refused at once, over %s', async family => {
    const { outcome } = await connect(BATCH, family)
    expect(outcome).toMatchObject({ connected: false, error: 'ECONNREFUSED' })
    expect(outcome.ms).toBeLessThan(FIRST_SYN_MS)
    const ip = pair.serverHost.addresses[family]
    const atServer = await pair.server.flowLike(
      flow => flow.reason === 'policy' && flow.destination.ip === ip,
    )
    expect(atServer.verdict).toBe('reject')
    expect(atServer.rule).toMatch(/^default deny/)
    expect(atServer.source.tags).toContain('app=batch')
    const atClient = await pair.client.flowLike(flow => flow.id === atServer.id)
    expect(atClient).toMatchObject({ verdict: 'reject', reason: 'refused', destination: { ip, port: 7000 } })
  })

  it.each(FAMILIES)('a process without identity is refused at once, over %s', async family => {
    const { outcome } = await connect(undefined, family)
    expect(outcome).toMatchObject({ connected: false, error: 'ECONNREFUSED' })
    expect(outcome.ms).toBeLessThan(FIRST_SYN_MS)
    const source = pair.clientHost.addresses[family]
    const atServer = await pair.server.flowLike(flow => flow.source.ip === source && flow.source.id === '')
    expect(atServer).toMatchObject({ verdict: 'reject', reason: 'stripped-or-unenforced' })
  })
})

async function bothQueues({ clientHost, serverHost }: Pair) {
  return [await queueCounters(clientHost.namespace), await queueCounters(serverHost.namespace)]
}

function sum(counters: readonly Readonly<Record<number, number>>[]): number {
  return counters.flatMap(each => Object.values(each)).reduce((total, count) => total + count, 0)
}
