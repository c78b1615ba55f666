/**
 * A router that loses, doubles and reorders the segments that open a connection. Each case is a connection of its own, to a port
 * of its own; all of them run at once.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { program } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { FAMILIES, type Family } from '../harness/hosts.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { type Fate, type ForwardedSegment, OnPath, type OpeningSegment } from '../harness/on-path.js'
import { BATCH, FRONTEND, WEB_POLICY } from '../harness/pair.js'
import { asPU, type ProcessingUnit, runAsPU } from '../harness/processing-unit.js'
import { makeRoutedHosts, type RoutedHosts } from '../harness/routed-hosts.js'
import { Teardown } from '../harness/teardown.js'

/** Even: the client speaks first. */
const FIRST_PORT = 7100
const SEGMENTS: readonly OpeningSegment[] = ['SYN', 'SYN-ACK', 'ACK', 'data']
const DISTURBANCES: Readonly<Record<string, (copy: number) => Fate>> = {
  'the 1st copy is lost': copy => (copy === 1 ? 'drop' : 'pass'),
  'the 1st and 2nd copy are lost': copy => (copy <= 2 ? 'drop' : 'pass'),
  'every copy comes twice': () => 'twice',
  'the 1st copy comes after what follows it': copy => (copy === 1 ? 'after-next' : 'pass'),
}
const CASES = SEGMENTS.flatMap(segment =>
  Object.entries(DISTURBANCES).flatMap(([name, fateOf]) =>
    ['client', 'server'].map(speaker => ({
      title: `${segment}: ${name}; ${speaker} first`,
      segment,
      fateOf,
    })),
  ),
)
const SERVER: ProcessingUnit = {
  labels: { app: 'web' },
  ports: CASES.map((_, index) => FIRST_PORT + index),
}
const POLICY = {
  ...WEB_POLICY,
  rules: [{ name: 'web', to: { app: 'web' }, from: { app: 'frontend' }, action: 'allow' }],
}
/** SYN-ACKs are lost twice, and so is the 1 s resend of what answers them: resends come after 1, 3 and 7 s. */
const TIMEOUT_MS = 15_000

interface Attempt {
  readonly port: number
  readonly outcome: string
  readonly ms: number
}

describe('loss', () => {
  const teardown = new Teardown()
  let hosts: RoutedHosts
  let onPath: OnPath
  let client: Daemon
  let web: JSONLinesProcess
  /** How many segments of each case were not let through as they came. */
  let disturbed: number[] = []

  const disturb = (segment: ForwardedSegment): Fate => {
    const index = segment.serverPort - FIRST_PORT
    const fate = CASES[index]?.segment === segment.kind ? CASES[index]!.fateOf(segment.copy) : 'pass'
    if (fate !== 'pass') disturbed[index]! += 1
    return fate
  }

  beforeAll(async () => {
    hosts = teardown.own(await makeRoutedHosts())
    // A segment is a packet here: larger ones could not be sent a second time.
    for (const { namespace } of [hosts.a, hosts.b])
      await namespace.mustRun(['ip', 'link', 'set', 'eth0', 'gso_max_segs', '1'])
    const server = teardown.own(await Daemon.start(hosts.b, { policy: POLICY }))
    client = teardown.own(await Daemon.start(hosts.a, { policy: POLICY }))
    const argv = program('streams-server', String(FIRST_PORT), String(CASES.length))
    web = teardown.own(new JSONLinesProcess(asPU(server, SERVER, argv), server.env))
    expect(await web.next()).toEqual({ listening: CASES.length })
    onPath = teardown.own(await OnPath.start(hosts.router))
  })
  afterAll(() => teardown.run())

  const attempts = async (unit: ProcessingUnit, family: Family): Promise<readonly Attempt[]> => {
    disturbed = CASES.map(() => 0)
    onPath.treat(disturb)
    const target = [hosts.b.addresses[family], String(FIRST_PORT), String(CASES.length), String(TIMEOUT_MS)]
    const { stdout, stderr } = await runAsPU(client, unit, program('streams-client', ...target))
    if (stdout === '') throw new Error(stderr)
    expect(onPath.errors).toEqual([])
    return JSON.parse(stdout) as Attempt[]
  }

  it.each(FAMILIES)(
    'every connection is made, and every byte arrives once and in order, over %s',
    async family => {
      const outcomes = await attempts(FRONTEND, family)
      expect(outcomes.map(titled)).toEqual(CASES.map(({ title }) => `${title}: exact`))
      expect(disturbed.map(Math.sign)).toEqual(CASES.map(() => 1))
      const accepted = await nextLines(web, CASES.length)
      expect(accepted.map(({ bytes }) => bytes)).toEqual(CASES.map(() => 50_000))
    },
  )

  it.each(FAMILIES)('nobody is admitted whom the policy denies, over %s', async family => {
    const outcomes = await attempts(BATCH, family)
    expect(outcomes.map(titled)).toEqual(CASES.map(({ title }) => `${title}: ECONNREFUSED`))
    // Would the server have accepted one of them, it would have said so before.
    onPath.treat(() => 'pass')
    const [host, port] = [hosts.b.addresses[family], String(FIRST_PORT)]
    await runAsPU(client, FRONTEND, program('streams-client', host, port, '1', String(TIMEOUT_MS)))
    expect(await web.next()).toEqual({ accepted: FIRST_PORT, bytes: 50_000 })
  })
})

function titled({ port, outcome }: Attempt): string {
  return `${CASES[port - FIRST_PORT]?.title}: ${outcome}`
}

async function nextLines(server: JSONLinesProcess, count: number): Promise<readonly { bytes: number }[]> {
  const lines: { bytes: number }[] = []
  while (lines.length < count) lines.push((await server.next()) as { bytes: number })
  return lines
}
