import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  CLIENT,
  type Kind,
  kindOf,
  LOCAL_CLIENT,
  LOCAL_SERVER,
  oneHost,
  SERVER,
  twoHosts,
  web,
} from './simulation/scenarios.js'
import type { SimulatedHost } from './simulation/simulated-host.js'
import { type Delivery, type SimulatedNetwork, type Tamper, WIRE_MS } from './simulation/simulated-network.js'
import type { SimulatedSocket } from './simulation/simulated-socket.js'

/** Longer than the last resend of a SYN-ACK and the resets of what it meets. */
const LONG_MS = 150_000

const UP = Buffer.alloc(2500, 'from the client ')
const DOWN = Buffer.alloc(3500, 'from the server ')

type Fate = 'pass' | 'drop' | 'duplicate' | 'late' | 'again later'

const FATES: Readonly<Record<Fate, readonly number[]>> = {
  pass: [WIRE_MS],
  drop: [],
  duplicate: [WIRE_MS, WIRE_MS],
  late: [700],
  'again later': [WIRE_MS, 2500],
}

/** The first packets of each kind meet these fates, all later ones pass. */
type Schedule = Partial<Record<Kind, readonly Fate[]>>

function tamperBy(schedule: Schedule): Tamper {
  const seen = new Map<Kind, number>()
  return (bytes): readonly Delivery[] => {
    const kind = kindOf(bytes)
    const count = seen.get(kind) ?? 0
    seen.set(kind, count + 1)
    const fate = schedule[kind]?.[count] ?? 'pass'
    return FATES[fate].map(delayMs => ({ bytes, delayMs }))
  }
}

type Speaker = 'client' | 'server' | 'both'
const SPEAKERS: readonly Speaker[] = ['client', 'server', 'both']

interface Pair {
  readonly network: SimulatedNetwork
  readonly client: SimulatedHost
  readonly server: SimulatedHost
  readonly connect: () => SimulatedSocket
}

const places = {
  'two hosts': async (): Promise<Pair> => {
    const { network, client, server } = await twoHosts()
    return { network, client, server, connect: () => client.tcp.connect(CLIENT, SERVER) }
  },
  'two hosts, the first SYN seen in state handshake': async (): Promise<Pair> => {
    const after = { showsStateBefore: false }
    const { network, client, server } = await twoHosts({ clientHost: after, serverHost: after })
    return { network, client, server, connect: () => client.tcp.connect(CLIENT, SERVER) }
  },
  'one namespace': async (): Promise<Pair> => {
    const { network, host } = await oneHost()
    const connect = () => host.tcp.connect(LOCAL_CLIENT, LOCAL_SERVER)
    return { network, client: host, server: host, connect }
  },
  'one namespace, the first SYN seen in state handshake': async (): Promise<Pair> => {
    const { network, host } = await oneHost({ clientHost: { showsStateBefore: false } })
    const connect = () => host.tcp.connect(LOCAL_CLIENT, LOCAL_SERVER)
    return { network, client: host, server: host, connect }
  },
} as const

/** Both ends write as soon as they may, and close at the end. */
async function converse(pair: Pair, schedule: Schedule, speaker: Speaker) {
  const { network, server, connect } = pair
  network.tamper = tamperBy(schedule)
  const socket = connect()
  if (speaker !== 'server') socket.write(UP)
  for (let waited = 0; waited < LONG_MS; waited += 500) {
    network.run(500)
    const peer = server.tcp.accepted.find(other => other.isEstablished)
    if (!peer) continue
    if (speaker !== 'client') peer.write(DOWN)
    break
  }
  network.run(LONG_MS)
  const peer = server.tcp.accepted.find(other => other.isEstablished)
  return { socket, peer }
}

function expectExact(pair: Pair, speaker: Speaker, ends: Awaited<ReturnType<typeof converse>>): void {
  const { socket, peer } = ends
  const story = pair.network.describe().join('\n')
  expect(socket.state, story).toBe('established')
  expect(peer?.state, story).toBe('established')
  const expectedUp = speaker === 'server' ? '' : UP.toString()
  expect(peer!.received.toString() === expectedUp, story).toBe(true)
  const expectedDown = speaker === 'client' ? '' : DOWN.toString()
  expect(socket.received.toString() === expectedDown, story).toBe(true)
  for (const host of [pair.client, pair.server]) {
    expect(host.tcp.violations).toEqual([])
    expect(host.errors).toEqual([])
  }
}

const KINDS: readonly Kind[] = ['syn', 'syn-ack', 'ack', 'data']
const STRAIGHT: readonly (readonly [string, readonly Fate[]])[] = [
  ['the first copy is lost', ['drop']],
  ['the first and the second copy are lost', ['drop', 'drop']],
  ['the first copy is doubled', ['duplicate']],
  ['the first copy comes late', ['late']],
  ['the first copy comes again later', ['again later']],
  ['the first copy is lost, the second doubled', ['drop', 'duplicate']],
]

describe.each(Object.entries(places))('%s', (_, makePair) => {
  describe.each(KINDS)('of the %s', kind => {
    it.each(STRAIGHT)('flaw 12: %s', async (_name, fates) => {
      for (const speaker of SPEAKERS) {
        const pair = await makePair()
        expectExact(pair, speaker, await converse(pair, { [kind]: fates }, speaker))
      }
    })
  })
})

const fate = fc.constantFrom<Fate>('pass', 'drop', 'duplicate', 'late', 'again later')
const schedule = fc.record({
  syn: fc.array(fate, { maxLength: 3 }),
  'syn-ack': fc.array(fate, { maxLength: 4 }),
  ack: fc.array(fate, { maxLength: 4 }),
  data: fc.array(fate, { maxLength: 4 }),
})
const place = fc.constantFrom(...Object.values(places))

describe('whatever a network does to the first packets', () => {
  it('the connection comes to be and the streams are exact', async () => {
    await fc.assert(
      fc.asyncProperty(place, schedule, fc.constantFrom(...SPEAKERS), async (makePair, fates, speaker) => {
        const pair = await makePair()
        expectExact(pair, speaker, await converse(pair, fates, speaker))
      }),
      { numRuns: 150 },
    )
  }, 60_000)

  it('a denied client never gets in, and no byte of it either', async () => {
    await fc.assert(
      fc.asyncProperty(
        schedule,
        fc.constantFrom<'reset' | 'drop'>('reset', 'drop'),
        async (fates, denyWith) => {
          const denying = web({ receiverRules: [], denyWith })
          const { network, client, server } = await twoHosts({ server: denying })
          const connect = () => client.tcp.connect(CLIENT, SERVER)
          const { socket, peer } = await converse({ network, client, server, connect }, fates, 'client')
          expect(peer).toBeUndefined()
          expect(server.tcp.accepted).toEqual([])
          expect(socket.state).toBe('closed')
        },
      ),
      { numRuns: 60 },
    )
  }, 60_000)

  it('a server that the client may not call never hears from it', async () => {
    await fc.assert(
      fc.asyncProperty(
        schedule,
        fc.constantFrom<'reset' | 'drop'>('reset', 'drop'),
        async (fates, denyWith) => {
          const { network, client, server } = await twoHosts({
            client: { id: 'frontend', identity: [{ key: 'app', value: 'frontend' }], policy: { denyWith } },
          })
          const connect = () => client.tcp.connect(CLIENT, SERVER)
          const { socket } = await converse({ network, client, server, connect }, fates, 'both')
          expect(server.tcp.accepted.every(peer => peer.state !== 'established')).toBe(true)
          expect(server.tcp.accepted.every(peer => peer.received.length === 0)).toBe(true)
          expect([socket.state, socket.received.length]).toEqual(['closed', 0])
        },
      ),
      { numRuns: 60 },
    )
  }, 60_000)
})
