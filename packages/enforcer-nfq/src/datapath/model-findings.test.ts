/** What the model in `model/` brought to light, each under the name of its mutant there or of the run that showed it. */
import { connectionMark } from '@trireme/core'
import { describe, expect, it } from 'vitest'
import { tcpPacket } from '../testing/index.js'
import { established, expectOutside, halfOpen, losing, straight } from './simulation/attacks.js'
import {
  CLIENT,
  forged,
  frontend,
  kindOf,
  LOCAL_CLIENT,
  LOCAL_SERVER,
  oneHost,
  parsed,
  SERVER,
  stateAt,
  twoHosts,
  web,
} from './simulation/scenarios.js'
import type { SimulatedHost } from './simulation/simulated-host.js'

const nothing = () => []

/** The server's kernel gives its half-open socket up, and opens another for the same SYN. */
async function anotherSocket() {
  const world = await halfOpen()
  world.network.tamper = nothing
  world.server.tcp.accepted[0]!.abort()
  world.network.tamper = losing('ack', 'data')
  world.network.inject(world.syn)
  const second = world.server.tcp.accepted[1]!
  expect(second.state).toBe('syn-received')
  expect(second.isn).not.toBe(world.isnS)
  return { ...world, second }
}

describe('OLD_ANSWERS_HOLD: an answer for an earlier socket authorizes nothing', () => {
  it('its late MAC_c neither marks nor admits what knows the new numbers', async () => {
    const { network, server, second, ack, isnC } = await anotherSocket()
    network.tamper = nothing
    network.inject(ack)
    const numbers = { sequence: isnC + 1, acknowledgement: second.isn + 1 }
    network.inject(forged({ ...numbers, flags: ['PSH', 'ACK'], payload: 'attack' }))
    network.run(10)
    expectOutside(server)
    expect(stateAt(server)).toBe('handshake')
  })

  it.each(['with something to say', 'in silence'])(
    'a client that took it hears of a reset, %s',
    async how => {
      const { network, socket } = await anotherSocket()
      network.tamper = straight
      if (how !== 'in silence') socket.write('hello')
      network.run(1500)
      expect(socket.error).toBe('ECONNRESET')
    },
  )
})

describe('DEMOTED_BY_VERDICT: the rule takes the mark, before anybody can judge the packet', () => {
  /** The state of the connection each time a packet of this kind waits for its verdict. */
  async function whileQueued(kind: 'syn' | 'syn-ack', of: 'client' | 'server') {
    const seen: string[] = []
    const onQueued = (host: SimulatedHost, bytes: Uint8Array) => {
      if (kindOf(bytes) === kind) seen.push(stateAt(host))
    }
    const world = await established({ [`${of}Host`]: { onQueued } })
    seen.length = 0
    return { ...world, seen }
  }

  it('from a SYN that leaves', async () => {
    const { client, network, socket, seen } = await whileQueued('syn', 'client')
    socket.abort()
    network.run(10)
    client.tcp.connect(CLIENT, SERVER)
    expect(seen).toEqual(['handshake'])
  })

  it('from the answer to a SYN on a tuple that is used again', async () => {
    const { client, server, network, socket, seen } = await whileQueued('syn-ack', 'server')
    socket.abort()
    network.run(10)
    expect(stateAt(server)).toBe('auth')
    client.tcp.connect(CLIENT, SERVER)
    network.run(10)
    expect(seen).toEqual(['handshake'])
    expect(stateAt(server)).toBe('auth')
  })

  it('but not from an answer within a flow that addresses let in', async () => {
    const networkACLs = [
      { name: 'all', networks: ['0.0.0.0/0'], ports: [], protocol: 'tcp', action: 'accept' } as const,
    ]
    const seen: string[] = []
    const onQueued = (host: SimulatedHost, bytes: Uint8Array) => {
      if (kindOf(bytes) === 'syn-ack') seen.push(stateAt(host))
    }
    const { network, client } = await twoHosts({
      server: web({ networkACLs }),
      serverHost: { onQueued },
      clientHost: { isEnforced: false },
    })
    network.tamper = losing('ack')
    client.tcp.connect(CLIENT, SERVER)
    network.run(1500)
    expect(seen.length).toBeGreaterThan(1)
    expect(new Set(seen)).toEqual(new Set(['acl']))
  })
})

describe('RELEASE_ON_LOOPBACK: in one namespace there is no SENT', () => {
  it('not even when the server’s flow is forgotten while the client’s is not', async () => {
    const states: string[] = []
    const onQueued = (on: SimulatedHost) => void states.push(stateAt(on, LOCAL_CLIENT, LOCAL_SERVER))
    const { network, host } = await oneHost({ clientHost: { onQueued } })
    network.tamper = losing('ack')
    host.tcp.connect(LOCAL_CLIENT, LOCAL_SERVER).write('hello')
    network.run(100)
    host.unenforce('web')
    await host.enforce(web())
    network.run(20_000)
    network.tamper = straight
    network.run(20_000)
    expect(states.length).toBeGreaterThan(5)
    expect(states).not.toContain('sent')
    expect(host.tcp.accepted.every(peer => peer.received.length === 0)).toBe(true)
  })

  it('and if there were, neither end would get a word out or in by it', async () => {
    const { network, host } = await oneHost()
    const ends = { source: '127.0.0.1', destination: '127.0.0.1', sequence: 1, acknowledgement: 1 }
    const up = tcpPacket({ ...ends, sourcePort: 40_000, destinationPort: 8080, flags: ['ACK'] })
    const down = tcpPacket({ ...ends, sourcePort: 8080, destinationPort: 40_000, flags: ['ACK'] })
    const entry = host.entryOf(parsed(up))
    for (const send of [() => host.output(up), () => host.output(down), () => host.input(down)]) {
      entry.mark = connectionMark('sent', 3)
      send()
      expect(network.sent.filter(bytes => kindOf(bytes) !== 'rst')).toEqual([])
      expect(entry.mark).toBe(connectionMark('sent', 3))
    }
  })
})

it('SENT_IF_SHARED: a late MAC_c of the last connection does not hide that both ends share an entry', async () => {
  const { network, host } = await oneHost()
  network.tamper = losing('ack')
  const first = host.tcp.connect(LOCAL_CLIENT, LOCAL_SERVER)
  network.run(10)
  const ack = network.sent.find(bytes => kindOf(bytes) === 'ack')!
  first.vanish()
  network.tamper = losing('syn')
  const socket = host.tcp.connect(LOCAL_CLIENT, LOCAL_SERVER)
  const syn = network.sent.at(-1)!
  network.inject(ack)
  expect(stateAt(host, LOCAL_CLIENT, LOCAL_SERVER)).toBe('auth')
  network.tamper = bytes => {
    expect(stateAt(host, LOCAL_CLIENT, LOCAL_SERVER)).not.toBe('sent')
    return straight(bytes, 0)
  }
  network.inject(syn)
  socket.write('hello')
  network.run(20_000)
  expect(socket.state).toBe('established')
  expect(host.tcp.accepted.at(-1)!.received.toString()).toBe('hello')
  expect(stateAt(host, LOCAL_CLIENT, LOCAL_SERVER)).toBe('auth')
})

it('a server whose enforcer was restarted answers anew: a released client proves itself to that answer', async () => {
  const { network, server, socket, syn } = await halfOpen()
  socket.write('hello')
  server.unenforce('web')
  await server.enforce(web())
  network.tamper = losing('rst')
  network.inject(syn)
  network.run(3000)
  expect(server.tcp.accepted[0]!.received.toString()).toBe('hello')
  expect(stateAt(server)).toBe('auth')
  expect(server.records).toHaveLength(1)
})

it('a SYN that comes again is its tuple’s youngest: the answer is to it', async () => {
  const { network, client, server, socket, syn } = await halfOpen()
  const old = network.addHost({ name: client.name, addresses: [] })
  await old.enforce(frontend())
  old.ports.set(CLIENT.port, 'frontend')
  network.tamper = nothing
  old.tcp.connect(CLIENT, SERVER, parsed(syn).sequence)
  const other = network.sent.at(-1)!
  expect([...other]).not.toEqual([...syn])
  network.inject(other)
  network.inject(syn)
  network.tamper = losing('syn')
  network.run(10)
  network.tamper = straight
  socket.write('hello')
  network.run(5000)
  expect(client.counters('frontend')['drop.mac']).toBeUndefined()
  expect(server.tcp.accepted[0]!.received.toString()).toBe('hello')
})

it('a tuple is used again while the server still has a half-open socket of it: connected in seconds', async () => {
  const { network, client, server, socket } = await halfOpen()
  socket.vanish()
  network.tamper = straight
  const again = client.tcp.connect(CLIENT, SERVER)
  again.write('hello')
  network.run(4000)
  expect(again.state).toBe('established')
  expect(server.tcp.accepted.at(-1)!.received.toString()).toBe('hello')
})

it('an answer to another SYN never passes for one to data that a SYN carried, and costs a token each', async () => {
  const { network, client } = await twoHosts()
  network.tamper = nothing
  client.tcp.connect(CLIENT, SERVER)
  const isn = parsed(network.sent[0]!).sequence
  const answer = (acknowledgement: number) =>
    tcpPacket({
      source: SERVER.address,
      sourcePort: SERVER.port,
      destination: CLIENT.address,
      destinationPort: CLIENT.port,
      flags: ['SYN', 'ACK'],
      sequence: 7,
      acknowledgement: acknowledgement >>> 0,
    })
  for (const part of [2, 100, 1460, 65_535]) network.inject(answer(isn + part))
  expect(network.sent.filter(bytes => kindOf(bytes) === 'rst')).toEqual([])
  for (let count = 0; count < 150; count++) network.inject(answer(isn - 1))
  expect(network.sent.filter(bytes => kindOf(bytes) === 'rst')).toHaveLength(100)
})

it('an answer without overlay frees no entry that is shared with a server PU', async () => {
  const applicationACLs = [
    { name: 'local', networks: ['127.0.0.0/8'], ports: [], protocol: 'tcp', action: 'accept' } as const,
  ]
  const { network, host } = await oneHost({ client: frontend({ applicationACLs }) })
  network.tamper = losing('syn-ack')
  host.tcp.connect(LOCAL_CLIENT, LOCAL_SERVER)
  network.run(10)
  const [syn, synAck] = network.sent.map(parsed) as [ReturnType<typeof parsed>, ReturnType<typeof parsed>]
  const ends = { source: '127.0.0.1', sourcePort: 8080, destination: '127.0.0.1', destinationPort: 40_000 }
  const numbers = { sequence: synAck.sequence, acknowledgement: syn.sequence + 1 }
  network.inject(tcpPacket({ ...ends, ...numbers, flags: ['SYN', 'ACK'] }))
  expect(stateAt(host, LOCAL_CLIENT, LOCAL_SERVER)).toBe('handshake')
  expect(host.counters('frontend')).toMatchObject({ 'drop.state': 1 })
})
