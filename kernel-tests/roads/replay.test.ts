/** An attacker who holds the path and resends what he recorded: in the same name or another, relayed, reflected, on a used tuple. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { askDaemon } from '../../packages/cli/src/control/control-client.js'
import { Caller } from '../harness/caller.js'
import { program } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { FAMILIES, type Family } from '../harness/hosts.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { connectionMarks } from '../harness/kernel-counters.js'
import { OnPath } from '../harness/on-path.js'
import { FRONTEND, WEB, WEB_POLICY } from '../harness/pair.js'
import { asPU } from '../harness/processing-unit.js'
import { RawClient, type Tuple } from '../harness/raw-client.js'
import { type RecordedSession, recordSession } from '../harness/recorded-session.js'
import { makeRoutedHosts, type RoutedHosts } from '../harness/routed-hosts.js'
import { stealSyns } from '../harness/stolen-syns.js'
import { Teardown } from '../harness/teardown.js'

const PORT = 7000
const WORD = 'intruder'
/** State AUTH in the connection mark. */
const [AUTH, STATE_MASK] = [0x00400000, 0x00700000]

describe('replay and relay', () => {
  const teardown = new Teardown()
  let hosts: RoutedHosts
  let onPath: OnPath
  let client: Daemon
  let server: Daemon
  let web: JSONLinesProcess
  let webOfClient: JSONLinesProcess
  let caller: Caller

  const startRecorder = async (daemon: Daemon) => {
    const argv = asPU(daemon, WEB, program('recorder', String(PORT)))
    const recorder = teardown.own(new JSONLinesProcess(argv, daemon.env))
    await recorder.next()
    return recorder
  }

  beforeAll(async () => {
    hosts = teardown.own(await makeRoutedHosts())
    server = teardown.own(await Daemon.start(hosts.b, { policy: WEB_POLICY }))
    client = teardown.own(await Daemon.start(hosts.a, { policy: WEB_POLICY }))
    onPath = teardown.own(await OnPath.start(hosts.router))
    web = await startRecorder(server)
    webOfClient = await startRecorder(client)
    caller = teardown.own(await Caller.start(client, FRONTEND))
  })
  afterAll(() => teardown.run())

  const target = (family: Family) => ({ address: hosts.b.addresses[family], port: PORT })

  /** A connection of the PU that is let through. */
  const record = async (family: Family, from?: number): Promise<RecordedSession> => {
    const port = from === undefined ? {} : { from }
    const source = hosts.a.addresses[family]
    const session = await recordSession(onPath, caller, {
      ...target(family),
      text: 'honest',
      source,
      ...port,
    })
    expect(await web.next()).toEqual({ accepted: session.tuple.sourcePort })
    expect(await web.next()).toEqual({ received: 'honest' })
    return session
  }

  /** What an application has received by now is nothing: its next news is an honest connection. */
  const expectNothing = async (family: Family) => {
    await record(family)
  }

  /** The three of the handshake and the data; where the SYN is answered, with the numbers that this asks for. */
  const resend = async ({ sent }: RecordedSession, raw: RawClient) => {
    const [syn, ...rest] = sent
    await raw.send({ flags: ['SYN'], sequence: syn!.sequence, overlay: syn!.payload })
    const isAnswered = () => raw.answers().some(({ isSynAck }) => isSynAck)
    await eventually('an answer', isAnswered, { timeoutMs: 250, everyMs: 5 }).catch(() => undefined)
    const answer = raw.answers().find(({ isSynAck }) => isSynAck)
    const acknowledgement = ((answer?.sequence ?? sent[1]!.acknowledgement - 1) + 1) >>> 0
    for (const { sequence, payload, hasOverlay } of rest) {
      const content = hasOverlay ? { overlay: payload } : { payload }
      await raw.send({ flags: ['PSH', 'ACK'], sequence, acknowledgement, ...content })
    }
    return answer !== undefined
  }

  const resendBoth = async (family: Family, session: RecordedSession) => {
    const elsewhere = { ...session.tuple, source: hosts.c.addresses[family] }
    const clients = [session.tuple, elsewhere].map(tuple => new RawClient(onPath, tuple))
    const answered = [await resend(session, clients[0]!), await resend(session, clients[1]!)]
    await expectNothing(family)
    for (const raw of clients) raw.leave()
    return answered
  }

  it.each(FAMILIES)('a session that is resent is refused as a replay, over %s', async family => {
    const session = await record(family)
    expect(session.sent.map(({ hasOverlay }) => hasOverlay).slice(0, 2)).toEqual([true, true])
    expect(await resendBoth(family, session)).toEqual([false, false])
    const source = hosts.c.addresses[family]
    await server.flowLike(flow => flow.reason === 'replay' && flow.source.ip === source)
  })

  it.each(FAMILIES)(
    'flaw 7: a SYN that was dialled to a third host and is relayed: misdirected, over %s',
    async family => {
      const to = { address: hosts.c.addresses[family], port: PORT }
      const [syn] = await stealSyns({ onPath, daemon: client, unit: FRONTEND, to, count: 1 })
      const relayed = { ...syn!.tuple, source: to.address, destination: hosts.b.addresses[family] }
      const raw = new RawClient(onPath, relayed)
      await raw.send({ flags: ['SYN'], sequence: syn!.isn, overlay: syn!.overlay })
      const flow = await server.flowLike(each => each.source.ip === to.address && each.reason !== 'replay')
      expect(flow).toMatchObject({ verdict: 'reject', reason: 'misdirected' })
      await expectNothing(family)
      expect(raw.answers()).toEqual([])
      raw.leave()
    },
  )

  it.each(FAMILIES)(
    "flaw 7: a PU's SYN that is sent back to its host: misdirected, over %s",
    async family => {
      const [syn] = await stealSyns({ onPath, daemon: client, unit: FRONTEND, to: target(family), count: 1 })
      const { sourcePort } = syn!.tuple
      for (const source of [hosts.b.addresses[family], hosts.c.addresses[family]]) {
        const destination = hosts.a.addresses[family]
        const raw = new RawClient(onPath, { source, sourcePort, destination, destinationPort: PORT })
        await raw.send({ flags: ['SYN'], sequence: syn!.isn, overlay: syn!.overlay })
        const flow = await client.flowLike(
          each => each.source.ip === source && each.destination.port === PORT,
        )
        expect(flow).toMatchObject({ verdict: 'reject', reason: 'misdirected' })
        expect(raw.answers()).toEqual([])
        raw.leave()
      }
    },
  )

  describe('flaw 20: after a reset the tuple is used again', () => {
    it.each(FAMILIES)('by the PU: it connects anew, over %s', async family => {
      for (let times = 0; times < 3; times += 1) await record(family, 41_000)
    })

    it.each(FAMILIES)('by somebody else in its name: nothing is admitted, over %s', async family => {
      const [syn] = await stealSyns({ onPath, daemon: client, unit: FRONTEND, to: target(family), count: 1 })
      const { tuple, sent } = await record(family, 41_001)
      const marks = await connectionMarks(hosts.b.namespace, PORT)
      expect(marks.some(mark => (mark & STATE_MASK) === AUTH)).toBe(true)
      const raw = new RawClient(onPath, tuple)
      const last = sent.at(-1)!
      const old = { sequence: last.sequence, acknowledgement: sent[1]!.acknowledgement }
      await raw.send({ flags: ['PSH', 'ACK'], ...old, payload: WORD })
      await raw.send({ flags: ['SYN'], sequence: syn!.isn })
      await raw.send({ flags: ['PSH', 'ACK'], ...old, sequence: syn!.isn + 1, payload: WORD })
      await raw.send({ flags: ['SYN'], sequence: syn!.isn, overlay: syn!.overlay })
      const { sequence } = await raw.synAck(syn!.isn)
      const opened = { sequence: (syn!.isn + 1) >>> 0, acknowledgement: (sequence + 1) >>> 0 }
      await raw.send({ flags: ['ACK'], ...opened })
      await raw.send({ flags: ['PSH', 'ACK'], ...opened, payload: WORD })
      await expectNothing(family)
      raw.leave()
    })

    it.each(FAMILIES)(
      'by the PU, answered by somebody else: it hears nothing of him, over %s',
      async family => {
        const { tuple } = await record(family, 41_002)
        expect(await impersonateServer(family, tuple)).toEqual({ error: 'ECONNREFUSED' })
      },
    )
  })

  /** The PU dials again from the same port; the attacker keeps the SYN and answers it, and sends data. */
  const impersonateServer = async (family: Family, { source, sourcePort, destination }: Tuple) => {
    const isns: number[] = []
    onPath.treat(({ packet }) => {
      if (packet.sourcePort !== sourcePort) return 'pass'
      if (packet.isSyn) isns.push(packet.sequence)
      return 'drop'
    })
    const outcome = caller.call({ ...target(family), text: 'honest', from: sourcePort })
    const isn = await eventually('the SYN', () => isns[0], { everyMs: 5 })
    const tuple = { source: destination, sourcePort: PORT, destination: source, destinationPort: sourcePort }
    const raw = new RawClient(onPath, tuple)
    const answer = { acknowledgement: (isn + 1) >>> 0 }
    await raw.send({ flags: ['PSH', 'ACK'], sequence: 1_001, ...answer, payload: WORD })
    await raw.send({ flags: ['SYN', 'ACK'], sequence: 1_000, ...answer })
    await raw.send({ flags: ['PSH', 'ACK'], sequence: 1_001, ...answer, payload: WORD })
    const ended = await outcome
    onPath.treat(() => 'pass')
    raw.leave()
    return ended
  }

  it.each(FAMILIES)(
    'after a restart of either end a recorded session opens nothing, over %s',
    async family => {
      const session = await record(family)
      await server.terminate()
      await server.start()
      // What it had seen is forgotten: it answers the SYN, and the old MAC_c is not that of its new answer.
      expect(await resendBoth(family, session)).toEqual([true, false])
      await client.terminate()
      await client.start()
      await eventually('the callers are PUs again', async () => (await client.status()).pus.length === 2)
      // The server still knows the SYN as that of the same tuple, and may answer it again.
      const [, isAnsweredElsewhere] = await resendBoth(family, session)
      expect(isAnsweredElsewhere).toBe(false)
    },
  )

  it('after the key was rotated a recorded session opens nothing', async () => {
    const session = await record('IPv4')
    for (const daemon of [server, client]) {
      await writeFile(join(daemon.folder, 'psk2'), 'another shared secret of the tests', { mode: 0o600 })
      await daemon.writeConfig({ auth: { psk: { file: './psk2' } } })
      await askDaemon({ socket: daemon.socket, method: 'POST', path: '/v1/secrets', timeoutMs: 20_000 })
    }
    expect(await resendBoth('IPv4', session)).toEqual([false, false])
    await server.flowLike(({ reason }) => reason === 'token')
    expect(webOfClient.hasEnded).toBe(false)
  })
})
