/**
 * What TCP stacks do beside the textbook, with real sockets: other options, other flags, data where there usually is none, and the
 * same within one host. Every byte arrives, and nothing is INVALID to a strict router.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TCP_CWR, TCP_ECE, TCP_PSH } from '../../packages/enforcer-nfq/src/packet/tcp-flags.js'
import type { TcpPacket } from '../../packages/enforcer-nfq/src/packet/tcp-packet.js'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { type Form, FormCaller, LISTENERS, startFormServer } from '../harness/form-caller.js'
import { FAMILIES, type Family } from '../harness/hosts.js'
import type { JSONLinesProcess } from '../harness/json-lines-process.js'
import { conntrackInvalid } from '../harness/kernel-counters.js'
import { OnPath, type OpeningSegment } from '../harness/on-path.js'
import { FRONTEND, WEB_POLICY } from '../harness/pair.js'
import { makeRoutedHosts, makeStrict, type RoutedHosts, setSysctl } from '../harness/routed-hosts.js'
import { Teardown } from '../harness/teardown.js'

const FIRST_PORT = 7000
const WEB = { labels: { app: 'web' }, ports: [7000, 7001, 7002, 7003, 7004] }
const POLICY = {
  ...WEB_POLICY,
  rules: [
    { name: 'web', to: { app: 'web' }, from: { app: 'frontend' }, action: 'allow' },
    { name: 'crossing', to: { app: 'frontend' }, from: { app: 'web' }, action: 'allow' },
  ],
}
/** Under /proc/sys/net/ipv4, for both families, with what the kernel has. */
const DEFAULTS = {
  tcp_ecn: 2,
  tcp_timestamps: 1,
  tcp_sack: 1,
  tcp_window_scaling: 1,
  tcp_fastopen: 1,
  tcp_syncookies: 1,
} as const
type Settings = Readonly<Partial<Record<keyof typeof DEFAULTS, number>>>
/** Option kinds (IANA, TCP Parameters). */
const [WINDOW_SCALE, SACK_PERMITTED, TIMESTAMPS, SIGNATURE, MULTIPATH, FAST_OPEN] = [
  3, 4, 8, 19, 30, 34,
] as const

/** What of a segment shows the form; each comes as it is on the wire. */
interface Sight {
  readonly flags: number
  readonly kinds: readonly number[]
  readonly ipHeaderBytes: number
}
type Sights = Readonly<Partial<Record<OpeningSegment, Sight>>>

interface Case {
  readonly form?: Form
  readonly to?: keyof typeof LISTENERS
  readonly client?: Settings
  readonly server?: Settings
  /** How many segments the client's kernel hands over as one packet. */
  readonly segmentsAtOnce?: number
  /** Whether the wire showed that the form was there. */
  readonly isSeen: (sights: Required<Sights>) => boolean
}

const lacks =
  (kind: number) =>
  ({ SYN }: Required<Sights>) =>
    !SYN.kinds.includes(kind)
const both = (settings: Settings) => ({ client: settings, server: settings })
const CASES: Readonly<Record<string, Case>> = {
  'explicit congestion notification': {
    ...both({ tcp_ecn: 1 }),
    isSeen: sights => isAsking(sights) && (sights['SYN-ACK'].flags & TCP_ECE) !== 0,
  },
  'congestion notification that the server does not know': {
    ...{ client: { tcp_ecn: 1 }, server: { tcp_ecn: 0 } },
    isSeen: sights => isAsking(sights) && (sights['SYN-ACK'].flags & TCP_ECE) === 0,
  },
  'no timestamps': { client: { tcp_timestamps: 0 }, isSeen: lacks(TIMESTAMPS) },
  'no selective acknowledgements': { client: { tcp_sack: 0 }, isSeen: lacks(SACK_PERMITTED) },
  'no window scaling': { client: { tcp_window_scaling: 0 }, isSeen: lacks(WINDOW_SCALE) },
  'none of these at the server': {
    server: { tcp_timestamps: 0, tcp_sack: 0, tcp_window_scaling: 0 },
    isSeen: sights => sights['SYN-ACK'].kinds.every(kind => kind <= 2 || kind === 254),
  },
  'SYN cookies': { server: { tcp_syncookies: 2 }, isSeen: () => true },
  'SYN cookies without timestamps': {
    ...{ server: { tcp_syncookies: 2 }, client: { tcp_timestamps: 0 } },
    isSeen: lacks(TIMESTAMPS),
  },
  'a write that waits for the connect': {
    form: 'queued write',
    isSeen: ({ ACK }) => (ACK.flags & TCP_PSH) !== 0,
  },
  'a server that defers its accept': { to: 'deferring', isSeen: () => true },
  'a waiting write to a server that defers': { form: 'queued write', to: 'deferring', isSeen: () => true },
  // The kernel asks for a cookie, and gets none.
  'Fast Open': { form: 'fast open', to: 'fast open', server: { tcp_fastopen: 3 }, isSeen: lacks(FAST_OPEN) },
  // The kernel puts data into the SYN, and has to send it again.
  'Fast Open without cookies': {
    ...{ form: 'fast open', to: 'fast open' },
    ...both({ tcp_fastopen: 0x207 }),
    isSeen: lacks(FAST_OPEN),
  },
  'multipath TCP': {
    ...{ form: 'multipath', to: 'multipath' },
    isSeen: sights =>
      [sights.SYN, sights['SYN-ACK'], sights.ACK].every(each => each.kinds.includes(MULTIPATH)),
  },
  'multipath TCP to a server without': {
    form: 'multipath',
    isSeen: sights => sights.SYN.kinds.includes(MULTIPATH) && !sights['SYN-ACK'].kinds.includes(MULTIPATH),
  },
  'signed segments': {
    ...{ form: 'signature', to: 'signed' },
    isSeen: sights =>
      [sights.SYN, sights['SYN-ACK'], sights.ACK].every(each => each.kinds.includes(SIGNATURE)),
  },
  'IP options': {
    form: 'IP options',
    // Of several in one packet, a Linux router takes the TCP header's length from the place where it is without extension headers,
    // and finds the packet too big by what the sequence number happens to be.
    segmentsAtOnce: 1,
    isSeen: ({ SYN }) => SYN.ipHeaderBytes === 28 || SYN.ipHeaderBytes === 48,
  },
}

function isAsking({ SYN }: Required<Sights>): boolean {
  return (SYN.flags & TCP_ECE) !== 0 && (SYN.flags & TCP_CWR) !== 0
}

describe('forms of TCP', () => {
  const teardown = new Teardown()
  let hosts: RoutedHosts
  let near: Daemon
  let far: Daemon
  let onPath: OnPath
  let web: JSONLinesProcess
  let callers: Readonly<Record<'another host' | 'the same host', FormCaller>>

  beforeAll(async () => {
    hosts = teardown.own(await makeRoutedHosts())
    await makeStrict(hosts)
    near = teardown.own(await Daemon.start(hosts.b, { policy: POLICY }))
    far = teardown.own(await Daemon.start(hosts.a, { policy: POLICY }))
    web = teardown.own(await startFormServer(near, WEB))
    callers = {
      'another host': teardown.own(await FormCaller.start(far, FRONTEND)),
      'the same host': teardown.own(await FormCaller.start(near, FRONTEND)),
    }
    onPath = teardown.own(await OnPath.start(hosts.router))
  })
  afterEach(async () => {
    for (const { namespace } of [hosts.a, hosts.b])
      for (const [name, value] of Object.entries(DEFAULTS))
        await setSysctl(namespace, `net/ipv4/${name}`, value)
    await hosts.a.namespace.mustRun(handingOver(65_535))
  })
  afterAll(() => teardown.run())

  const set = async ({ client = {}, server = {}, segmentsAtOnce = 65_535 }: Partial<Case>) => {
    await hosts.a.namespace.mustRun(handingOver(segmentsAtOnce))
    for (const [host, settings] of [
      [hosts.a, client],
      [hosts.b, server],
    ] as const)
      for (const [name, value] of Object.entries(settings))
        await setSysctl(host.namespace, `net/ipv4/${name}`, value)
  }

  const watch = (): Sights => {
    const sights: Partial<Record<OpeningSegment, Sight>> = {}
    onPath.treat(({ kind, copy, packet }) => {
      if (kind !== undefined && copy === 1) sights[kind] = sightOf(packet)
      return 'pass'
    })
    return sights
  }

  const target = (family: Family, to: keyof typeof LISTENERS) => ({
    address: hosts.b.addresses[family],
    port: FIRST_PORT + LISTENERS[to],
  })

  it.each(Object.keys(CASES))('%s', async name => {
    const { form = 'plain', to = 'plain', isSeen, ...settings } = CASES[name]!
    await set(settings)
    for (const family of FAMILIES) {
      const sights = watch()
      for (const caller of Object.values(callers)) {
        expect(await caller.call({ form, ...target(family, to) }), family).toBe('exact')
        expect(await web.next()).toEqual({ accepted: target(family, to).port, bytes: 100_000, end: 'end' })
      }
      expect(isSeen(sights as Required<Sights>), JSON.stringify(sights)).toBe(true)
    }
  })

  it('a close right behind the handshake, and a reset', async () => {
    for (const family of FAMILIES) {
      for (const caller of Object.values(callers)) {
        expect(await caller.call({ form: 'close', ...target(family, 'plain') })).toBe('exact')
        expect(await web.next()).toEqual({ accepted: FIRST_PORT, bytes: 0, end: 'end' })
        // A reset overtakes what goes through the queue: the server may never have heard of the connection.
        expect(await caller.call({ form: 'reset', ...target(family, 'plain') })).toBe('exact')
        expect(await caller.call({ form: 'plain', ...target(family, 'plain') })).toBe('exact')
        const told = (await web.next()) as { readonly end: string }
        const last = told.end === 'end' ? told : await web.next()
        expect(last).toEqual({ accepted: FIRST_PORT, bytes: 100_000, end: 'end' })
      }
    }
  })

  it('overlays come in fragments', async () => {
    await setSysctl(hosts.a.namespace, 'net/ipv4/ip_no_pmtu_disc', 1)
    const route = 'route replace 10.77.2.0/24 dev port2 mtu lock 220'
    await hosts.router.mustRun(['ip', ...route.split(' ')])
    const before = await reassembled(hosts.b)
    expect(await callers['another host'].call({ form: 'plain', ...target('IPv4', 'plain') })).toBe('exact')
    expect(await web.next()).toMatchObject({ bytes: 100_000 })
    expect(await reassembled(hosts.b)).toBeGreaterThan(before)
  })

  it('two that open to each other at once are not let in, and it is counted', async () => {
    // Both sockets are in SYN-SENT when the first SYN arrives.
    onPath.treat(({ kind, copy }) => (kind === 'SYN' && copy === 1 ? 'drop' : 'pass'))
    const [a, b] = [hosts.a.addresses.IPv4, hosts.b.addresses.IPv4]
    const other = teardown.own(await FormCaller.start(near, { labels: { app: 'web' }, ports: [7100] }))
    const own = teardown.own(await FormCaller.start(far, { labels: { app: 'frontend' }, ports: [7101] }))
    const outcomes = await Promise.all([
      own.call({ form: 'plain', address: b, port: 7100, from: 7101, timeout: 2 }),
      other.call({ form: 'plain', address: a, port: 7101, from: 7100, timeout: 2 }),
    ])
    expect(outcomes).toEqual(['TIMEOUT', 'TIMEOUT'])
    await eventually('the drop is counted', async () => {
      const counters = (await far.command('status', '--json')).stdout
      return /"drop\.state":[1-9]/.test(counters)
    })
  })

  it('nothing of all this was INVALID to anybody', async () => {
    for (const [name, namespace] of [
      ['client', hosts.a.namespace],
      ['router', hosts.router],
      ['server', hosts.b.namespace],
    ] as const)
      expect(await conntrackInvalid(namespace), name).toBe(0)
    expect(onPath.errors).toEqual([])
  })

  it('a daemon that crashes amid handshakes: who took its answer hears of a reset, who waits for it connects', async () => {
    const [silent, waiting] = [7201, 7202]
    const lost = new Set<number>()
    let isDown = true
    onPath.treat(({ kind, packet }) => {
      const { sourcePort, destinationPort } = packet
      const isLost =
        (kind === 'ACK' && sourcePort === silent) || (kind === 'SYN-ACK' && destinationPort === waiting)
      if (!isDown || !isLost) return 'pass'
      lost.add(kind === 'ACK' ? silent : waiting)
      return 'drop'
    })
    const other = teardown.own(await FormCaller.start(far, FRONTEND))
    const to = { ...target('IPv4', 'plain'), timeout: 14 }
    const outcomes = Promise.all([
      other.call({ form: 'silent', from: silent, ...to }),
      callers['another host'].call({ form: 'plain', from: waiting, ...to }),
    ])
    await eventually('both are under way', () => lost.size === 2)
    await near.crash()
    await near.start()
    isDown = false
    expect(await outcomes).toEqual(['ECONNRESET', 'exact'])
    expect(await web.next()).toMatchObject({ bytes: 100_000, end: 'end' })
  })
})

function handingOver(segments: number): readonly string[] {
  return ['ip', 'link', 'set', 'eth0', 'gso_max_segs', String(segments)]
}

function sightOf(packet: TcpPacket): Sight {
  const { flags, tcpOffset, ipOffset } = packet
  return { flags, kinds: kindsOf(packet), ipHeaderBytes: tcpOffset - ipOffset }
}

function kindsOf({ data, optionsOffset, optionsEnd }: TcpPacket): readonly number[] {
  const kinds: number[] = []
  for (let at = optionsOffset; at < optionsEnd; at += data[at] === 1 ? 1 : data[at + 1]!)
    kinds.push(data[at]!)
  return kinds
}

/** How many packets the host has put together from fragments (RFC 4293, ipSystemStatsReasmOKs). */
async function reassembled(host: RoutedHosts['a']): Promise<number> {
  const table = await host.namespace.mustRun(['cat', '/proc/net/snmp'])
  const [names, values] = table.split('\n').filter(line => line.startsWith('Ip:')) as [string, string]
  return Number(values.split(' ')[names.split(' ').indexOf('ReasmOKs')])
}
