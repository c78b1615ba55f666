/** Both ends on one host, in one network namespace, over the loopback interface. */
import { stateOfMark } from '@trireme/core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { program } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { FAMILIES, type Family, type Host, makeHost } from '../harness/hosts.js'
import { BACKENDS } from '../harness/iptables-backend.js'
import { PacketCapture } from '../harness/packet-capture.js'
import { BATCH, FRONTEND, WEB, WEB_POLICY } from '../harness/pair.js'
import {
  connectAsPU,
  connectPlainly,
  type ProcessingUnit,
  runAsPU,
  startServer,
} from '../harness/processing-unit.js'
import type { Session } from '../harness/session.js'
import { Teardown } from '../harness/teardown.js'

const FIRST_SYN_MS = 900
/** The header of the overlay, the nonce, the dialled address and port: what a SYN carries beside the record. */
const SYN_OVERLAY_LESS_RECORD = 8 + 16 + 16 + 2
/** Header, nonce and MAC: what a SYN-ACK carries beside the record. */
const SYN_ACK_OVERLAY_LESS_RECORD = 8 + 16 + 32
const ACK_OVERLAY = 8 + 32

const POLICY = {
  ...WEB_POLICY,
  rules: [
    ...WEB_POLICY.rules,
    { name: 'self', to: { app: 'self' }, from: { app: 'self' }, ports: [7001], action: 'allow' },
  ],
}

const cases = BACKENDS.flatMap(backend => ['binary', 'jwt'].map(tokens => ({ backend, tokens })))

describe.each(cases)('loopback, iptables-$backend, tokens $tokens', ({ backend, tokens }) => {
  const teardown = new Teardown()
  const sessions = new Teardown()
  let host: Host
  let daemon: Daemon

  beforeAll(async () => {
    host = teardown.own(await makeHost())
    daemon = teardown.own(await Daemon.start(host, { policy: POLICY, backend, config: { tokens } }))
    teardown.own(await startServer(daemon, WEB))
  })
  afterEach(() => sessions.run())
  afterAll(() => teardown.run())

  const connect = async (unit: ProcessingUnit | undefined, family: Family): Promise<Session> => {
    const target = { address: host.addresses[family], port: 7000 }
    return sessions.own(await (unit ? connectAsPU(daemon, unit, target) : connectPlainly(host, target)))
  }

  it.each(FAMILIES)('one PU connects to another, over %s', async family => {
    const session = await connect(FRONTEND, family)
    expect(session.outcome).toMatchObject({ connected: true })
    for (const size of [1, 10_000, 10_000_000]) {
      expect(await session.exchange(size)).toMatchObject({ received: size, equal: true })
    }
    const ip = host.addresses[family]
    const { id } = await daemon.flowLike(flow => flow.verdict === 'accept' && flow.destination.ip === ip)
    expect((await daemon.flows()).filter(flow => flow.id === id)).toHaveLength(2)
  })

  it.each(FAMILIES)('a PU that no rule names is refused at once, over %s', async family => {
    const { outcome } = await connect(BATCH, family)
    expect(outcome).toMatchObject({ connected: false, error: 'ECONNREFUSED' })
    expect(outcome.ms).toBeLessThan(FIRST_SYN_MS)
    const ip = host.addresses[family]
    const flow = await daemon.flowLike(
      ({ reason, destination }) => reason === 'policy' && destination.ip === ip,
    )
    expect(flow.source.tags).toContain('app=batch')
    await daemon.flowLike(({ id, reason }) => id === flow.id && reason === 'refused')
  })

  it.each(FAMILIES)('a process that is no PU is refused at once, over %s', async family => {
    const { outcome } = await connect(undefined, family)
    expect(outcome).toMatchObject({ connected: false, error: 'ECONNREFUSED' })
    expect(outcome.ms).toBeLessThan(FIRST_SYN_MS)
  })

  it('one PU connects to another by an address that is translated on its way', async () => {
    const { namespace } = host
    const translate = '-d 127.0.0.2 -p tcp --dport 7000 -j DNAT --to-destination 127.0.0.1'.split(' ')
    const iptables = [`iptables-${backend}`, '-w', '5', '-t', 'nat']
    await namespace.mustRun([...iptables, '-A', 'OUTPUT', ...translate])
    sessions.own({
      stop: async () => void (await namespace.mustRun([...iptables, '-D', 'OUTPUT', ...translate])),
    })
    const target = { address: '127.0.0.2', port: 7000 }
    const session = sessions.own(await connectAsPU(daemon, FRONTEND, target))
    expect(session.outcome).toMatchObject({ connected: true })
    expect(await session.exchange(100_000)).toMatchObject({ received: 100_000, equal: true })
    const entries = await namespace.mustRun(['conntrack', '-L', '-p', 'tcp', '--orig-dst', '127.0.0.2'])
    const marks = [...entries.matchAll(/mark=(\d+)/g)].map(([, mark]) => stateOfMark(Number(mark)))
    expect(marks, entries).toEqual(['auth'])
  })

  it.each(FAMILIES)('a PU calls itself, over %s', async family => {
    const unit = { labels: { app: 'self' }, ports: [7001] }
    const { stdout, stderr } = await runAsPU(
      daemon,
      unit,
      program('self-call', host.addresses[family], '7001'),
    )
    expect(JSON.parse(stdout), stderr).toMatchObject({ connected: true, equal: true })
  })

  it.each(FAMILIES)('the tokens are on the wire, over %s', async family => {
    const capture = sessions.own(await PacketCapture.start(host.namespace, 'lo', 7000))
    await connect(FRONTEND, family)
    const syn = await capture.first(({ flags, destinationPort }) => flags === 'S' && destinationPort === 7000)
    const synAck = await capture.first(({ flags, sourcePort }) => flags === 'S.' && sourcePort === 7000)
    const ack = await capture.first(({ flags, destinationPort }) => flags === '.' && destinationPort === 7000)
    expect(syn.length).toBeGreaterThan(SYN_OVERLAY_LESS_RECORD)
    expect(synAck.length).toBeGreaterThan(SYN_ACK_OVERLAY_LESS_RECORD)
    expect(ack.length).toBe(ACK_OVERLAY)
    for (const segment of [syn, synAck, ack]) expect(segment.options).toMatch(/254|exp/)
  })
})
