import { describe, expect, it } from 'vitest'
import { tcpPacket } from '../testing/index.js'
import { established, expectOutside, halfOpen, losing, straight } from './simulation/attacks.js'
import {
  appRule,
  CLIENT,
  forged,
  frontend,
  kindOf,
  LOCAL_CLIENT,
  LOCAL_SERVER,
  oneHost,
  parsed,
  readdressed,
  SERVER,
  stateAt,
  twoHosts,
  web,
} from './simulation/scenarios.js'

/** The tuple of the packets from the server. */
const DOWN = {
  source: SERVER.address,
  sourcePort: SERVER.port,
  destination: CLIENT.address,
  destinationPort: CLIENT.port,
}

describe('flaw 7: a SYN speaks for its sender only where he sent it', () => {
  const attacker = { address: '198.51.100.66', port: 8080 }

  async function lured() {
    const world = await twoHosts({
      client: {
        ...frontend({ receiverRules: [appRule('accept', 'frontend')] }),
        ports: [8080],
        aliases: ['203.0.113.1'],
      },
    })
    world.client.tcp.listen(8080)
    world.client.tcp.connect(CLIENT, attacker)
    return { ...world, syn: world.network.sent[0]! }
  }

  it('flaw 7: reflected to its own PU', async () => {
    const { network, client, syn } = await lured()
    network.inject(readdressed(syn, { source: attacker, destination: { ...CLIENT, port: 8080 } }))
    network.run(10)
    expect(client.tcp.accepted).toEqual([])
    expect(client.records).toEqual([expect.objectContaining({ verdict: 'reject', reason: 'misdirected' })])
  })

  it('flaw 7: relayed to a third host, also under the address of the third', async () => {
    const { network, server, syn } = await lured()
    for (const source of [attacker, CLIENT]) network.inject(readdressed(syn, { source, destination: SERVER }))
    network.run(10)
    expect(server.tcp.accepted).toEqual([])
    expect(server.records.map(record => record.reason)).toEqual(['misdirected', 'misdirected'])
    expect(network.sent).toHaveLength(1)
  })

  it('flaw 7: to another port than was dialled', async () => {
    const { network, server } = await twoHosts({ server: { ...web(), ports: [8080, 8081] } })
    server.tcp.listen(8081)
    network.tamper = bytes => straight(readdressed(bytes, { destination: { ...SERVER, port: 8081 } }), 0)
    network.hosts[0]!.tcp.connect(CLIENT, SERVER)
    network.run(10)
    expect(server.records).toEqual([expect.objectContaining({ reason: 'misdirected' })])
  })

  it('flaw 7: to an address of its host that is no alias of a PU with a network of its own', async () => {
    const dialled = { address: '203.0.113.9', port: SERVER.port }
    const isolation = { by: 'netns', path: '/proc/self/ns/net' } as const
    for (const [pu, reasons] of [
      [{}, []],
      [{ isolation }, ['misdirected']],
      [{ isolation, aliases: [`${dialled.address}:${dialled.port}`] }, []],
    ] as const) {
      const serverHost = { hostAliases: [dialled.address] }
      const { network, client, server } = await twoHosts({ server: { ...web(), ...pu }, serverHost })
      client.tcp.connect(CLIENT, dialled)
      network.inject(readdressed(network.sent[0]!, { destination: SERVER }))
      expect(server.records.map(({ reason }) => reason)).toEqual(reasons)
    }
  })

  it('flaw 7: dialled to the loopback of another host', async () => {
    const { network, client, server } = await lured()
    const loopback = { address: '127.0.0.1', port: SERVER.port }
    client.ports.set(40_002, 'frontend')
    client.tcp.connect({ ...CLIENT, port: 40_002 }, loopback)
    const syn = network.sent.at(-1)!
    expect(parsed(syn).hasOverlayOption).toBe(true)
    for (const destination of [SERVER, loopback]) network.inject(readdressed(syn, { destination }))
    network.run(10)
    expect(server.tcp.accepted).toEqual([])
    expect(server.records).toEqual([expect.objectContaining({ reason: 'misdirected' })])
  })

  it('a loopback address that is dialled on this very node, and translated to where the PU is, is ours', async () => {
    const { network, client, server } = await twoHosts({ serverHost: { name: 'host-a' } })
    client.tcp.connect(CLIENT, { address: '127.0.0.1', port: SERVER.port })
    network.inject(readdressed(network.sent[0]!, { destination: SERVER }))
    expect(server.records).toEqual([])
    expect(network.sent.map(kindOf)).toEqual(['syn', 'syn-ack'])
  })

  it('flaw 7: our own record comes back to us under an alias of ours', async () => {
    const { network, client } = await lured()
    client.ports.set(40_001, 'frontend')
    client.tcp.connect({ ...CLIENT, port: 40_001 }, { address: '203.0.113.1', port: 8080 })
    network.inject(readdressed(network.sent.at(-1)!, { destination: { ...CLIENT, port: 8080 } }))
    network.run(10)
    expect(client.tcp.accepted).toEqual([])
    expect(client.records).toEqual([expect.objectContaining({ reason: 'misdirected' })])
  })

  it('flaw 7: replayed on another tuple', async () => {
    const { network, server, syn } = await halfOpen()
    network.inject(readdressed(syn, { source: { ...CLIENT, port: 4444 } }))
    network.run(10)
    expect(server.tcp.accepted).toHaveLength(1)
    expect(server.records).toEqual([expect.objectContaining({ reason: 'replay' })])
  })
})

it('flaw 10: the port that one connection asked for is not the next one’s', async () => {
  const clauses = [
    { key: 'app', operator: '=' as const, values: ['frontend'] },
    { key: '@sys:port', operator: '=' as const, values: ['80'] },
  ]
  const server = {
    ...web({ receiverRules: [{ name: 'http', action: 'accept' as const, clauses }] }),
    ports: [80, 22],
  }
  const world = await twoHosts({ server })
  for (const port of [80, 22]) world.server.tcp.listen(port)
  for (const [source, port, error] of [
    [40_000, 80, undefined],
    [40_001, 22, 'ECONNREFUSED'],
    [40_002, 80, undefined],
    [40_003, 22, 'ECONNREFUSED'],
  ] as const) {
    world.client.ports.set(source, 'frontend')
    const socket = world.client.tcp.connect({ ...CLIENT, port: source }, { ...SERVER, port })
    world.network.run(50)
    expect([port, socket.error]).toEqual([port, error])
  }
})

it.each(['reset', 'drop'] as const)(
  'flaw 11: a reply that was rejected marks nothing, on resends neither (deny: %s)',
  async denyWith => {
    const { network, client, server } = await twoHosts({
      client: frontend({ transmitterRules: [], denyWith }),
    })
    // The server's socket does not go, so that its SYN-ACKs keep coming.
    network.tamper = losing('rst')
    client.tcp.connect(CLIENT, SERVER)
    for (let second = 0; second < 40; second++) {
      network.run(1000)
      expect(stateAt(client)).toBe('handshake')
      const isn = parsed(network.sent[0]!).sequence
      const isnS = parsed(network.sent[1]!).sequence
      const before = network.sent.length
      for (const flags of [['ACK'], ['PSH', 'ACK'], ['FIN', 'ACK']] as const)
        client.output(forged({ flags, sequence: isn + 1, acknowledgement: isnS + 1, payload: 'secret' }))
      expect(network.sent.length).toBe(before)
    }
    expect(network.sent.filter(bytes => kindOf(bytes) === 'syn-ack').length).toBeGreaterThan(3)
    expectOutside(server)
  },
)

describe('flaw 13: a refusal is a refusal, at once', () => {
  it('flaw 13: by a closed port', async () => {
    const { network, client } = await twoHosts({ server: { ...web(), ports: [8080, 9090] } })
    const socket = client.tcp.connect(CLIENT, { ...SERVER, port: 9090 })
    network.run(100)
    expect(socket.error).toBe('ECONNREFUSED')
  })

  it('flaw 13: by the receiver’s policy, by the transmitter’s, and for a stranger', async () => {
    const worlds = [
      await twoHosts({ server: web({ receiverRules: [] }) }),
      await twoHosts({ client: frontend({ transmitterRules: [] }) }),
      await twoHosts({ clientHost: { isEnforced: false } }),
      await twoHosts({ serverHost: { isEnforced: false } }),
    ]
    for (const { network, client } of worlds) {
      const socket = client.tcp.connect(CLIENT, SERVER)
      network.run(100)
      expect(socket.error).toBe('ECONNREFUSED')
    }
  })

  it('flaw 13: in one namespace', async () => {
    const { network, host } = await oneHost({ server: web({ receiverRules: [] }) })
    const socket = host.tcp.connect(LOCAL_CLIENT, LOCAL_SERVER)
    network.run(100)
    expect(socket.error).toBe('ECONNREFUSED')
  })
})

describe('flaw 20: the AUTH mark does not outlive its connection', () => {
  it('flaw 20: the same tuple again after a reset: data needs the new MAC_c', async () => {
    const { network, client, server, socket } = await established()
    socket.abort()
    network.run(10)
    expect(stateAt(server)).toBe('auth')
    network.tamper = losing('ack', 'data')
    client.tcp.connect(CLIENT, SERVER)
    expect(stateAt(client)).toBe('handshake')
    network.run(10)
    expect(stateAt(server)).toBe('handshake')
    const syn = parsed(network.sent.findLast(bytes => kindOf(bytes) === 'syn')!)
    const synAck = parsed(network.sent.findLast(bytes => kindOf(bytes) === 'syn-ack')!)
    const numbers = { sequence: syn.sequence + 1, acknowledgement: synAck.sequence + 1 }
    network.inject(forged({ ...numbers, flags: ['PSH', 'ACK'], payload: 'attack' }))
    network.run(10)
    expect(server.tcp.accepted.at(-1)!.state).toBe('syn-received')
    network.tamper = straight
    network.run(3000)
    expect(server.tcp.accepted.at(-1)!.state).toBe('established')
    expect(stateAt(server)).toBe('auth')
  })

  it.each([
    ['within', 5_000],
    ['beyond', 70_000],
  ])('flaw 20: the recorded SYN, %s the life of the enforcer’s entry', async (_, pause) => {
    const { network, server, socket, syn, ack } = await established()
    socket.abort()
    network.run(pause)
    server.datapath.sweep()
    const already = server.tcp.accepted.length
    network.inject(syn)
    network.run(10)
    network.inject(ack)
    const answered = server.tcp.accepted.slice(already)
    expect(answered).toHaveLength(pause < 64_000 ? 0 : 1)
    for (const peer of answered) {
      const numbers = { sequence: parsed(syn).sequence + 1, acknowledgement: peer.isn + 1 }
      network.inject(forged({ ...numbers, flags: ['ACK'] }))
      network.inject(forged({ ...numbers, flags: ['PSH', 'ACK'], payload: 'attack' }))
      const payload = Uint8Array.from(parsed(ack).payload())
      network.inject(forged({ ...numbers, flags: ['ACK'], options: ['overlay'], payload }))
      network.inject(forged({ ...numbers, flags: ['PSH', 'ACK'], payload: 'attack' }))
    }
    network.run(10)
    expect(answered.filter(peer => peer.isEstablished)).toEqual([])
  })

  it('flaw 20: a resent SYN-ACK of the authorized connection keeps mark and overlay, whatever came between', async () => {
    const { network, server, socket, peer, synAck } = await established()
    const { acknowledgement } = parsed(synAck)
    const resent = tcpPacket({ ...DOWN, flags: ['SYN', 'ACK'], sequence: peer.isn, acknowledgement })
    server.output(resent)
    expect(stateAt(server)).toBe('auth')
    expect([...parsed(network.sent.at(-1)!).payload()]).toEqual([...parsed(synAck).payload()])
    const before = network.sent.length
    server.output(tcpPacket({ ...DOWN, flags: ['SYN', 'ACK'], sequence: peer.isn + 1, acknowledgement }))
    expect([network.sent.length, stateAt(server)]).toEqual([before, 'handshake'])
    socket.write(', world')
    network.run(1000)
    expect(peer.received.toString()).toBe('hello, world')
  })
})

it('flaw 20: a second SYN of the same numbers takes nothing from the authorized connection', async () => {
  const { network, client, server, peer, syn, synAck } = await established()
  // The client's enforcer was restarted and knows nothing of the first one: same kernel, same ISN, another overlay.
  const again = network.addHost({ name: client.name, addresses: [] })
  await again.enforce(frontend())
  again.ports.set(CLIENT.port, 'frontend')
  again.tcp.connect(CLIENT, SERVER, parsed(syn).sequence)
  network.run(5)
  const { acknowledgement } = parsed(synAck)
  server.output(tcpPacket({ ...DOWN, flags: ['SYN', 'ACK'], sequence: peer.isn, acknowledgement }))
  expect([...parsed(network.sent.at(-1)!).payload()]).toEqual([...parsed(synAck).payload()])
  expect(stateAt(server)).toBe('auth')
})

describe('flaw 21: overlays are stripped in every state', () => {
  it.each([
    ['known', 0],
    ['forgotten', 70_000],
  ])('flaw 21: a doubled ACK of a flow that is %s', async (_, pause) => {
    const { network, server, socket, peer, ack } = await established()
    network.run(pause)
    server.datapath.sweep()
    network.inject(ack)
    network.inject(ack)
    socket.write(', world')
    network.run(1000)
    network.inject(ack)
    expect(peer.received.toString()).toBe('hello, world')
    expect(server.tcp.violations).toEqual([])
    expect(stateAt(server)).toBe('auth')
  })

  it('flaw 21: anything else with our option and payload is dropped', async () => {
    const { network, server, peer, ack } = await established()
    const { sequence, acknowledgement } = parsed(ack)
    for (const pause of [0, 70_000]) {
      network.run(pause)
      server.datapath.sweep()
      for (const payload of ['x', 'x'.repeat(39), 'x'.repeat(41), 'x'.repeat(400)]) {
        const numbers = { sequence: sequence + 5, acknowledgement }
        network.inject(forged({ ...numbers, flags: ['PSH', 'ACK'], options: ['overlay'], payload }))
      }
      network.run(10)
      expect(peer.received.toString()).toBe('hello')
    }
    expect(server.tcp.violations).toEqual([])
    const dropped = Object.entries(server.counters('web')).flatMap(([name, count]) =>
      name.startsWith('drop.') ? count : [],
    )
    expect(dropped.reduce((sum, count) => sum + count, 0)).toBe(8)
  })

  it('flaw 21: a SYN-ACK that comes again under another number is no answer', async () => {
    const { network, client, synAck } = await established()
    const { sequence, acknowledgement } = parsed(synAck)
    const payload = Uint8Array.from(parsed(synAck).payload())
    const numbers = { sequence: sequence + 1, acknowledgement }
    network.inject(tcpPacket({ ...DOWN, ...numbers, flags: ['SYN', 'ACK'], options: ['overlay'], payload }))
    expect(client.records).toHaveLength(1)
    expect(client.counters('frontend')).toMatchObject({ 'drop.state': 1 })
    expect(stateAt(client)).toBe('auth')
  })

  it('flaw 21: late copies of SYN and SYN-ACK', async () => {
    const { network, client, server, socket, peer, syn, synAck } = await established()
    for (const packet of [syn, synAck, syn, synAck]) network.inject(packet)
    socket.write('!')
    network.run(1000)
    expect(peer.received.toString()).toBe('hello!')
    for (const host of [client, server]) expect(host.tcp.violations).toEqual([])
  })
})

describe('flaw 22: in one namespace the client’s release is not the server’s authorization', () => {
  it.each([true, false])(
    'flaw 22: no MAC_c, no byte (first SYN seen in state none: %s)',
    async showsStateBefore => {
      const { network, host } = await oneHost({ clientHost: { showsStateBefore } })
      network.tamper = losing('ack')
      const socket = host.tcp.connect(LOCAL_CLIENT, LOCAL_SERVER)
      socket.write('hello')
      for (let wait = 0; wait < 20; wait++) {
        network.run(200)
        expect(stateAt(host, LOCAL_CLIENT, LOCAL_SERVER)).toBe('handshake')
        expect(host.tcp.accepted[0]!.state).toBe('syn-received')
      }
      network.tamper = straight
      network.run(20_000)
      expect(stateAt(host, LOCAL_CLIENT, LOCAL_SERVER)).toBe('auth')
      expect(host.tcp.accepted[0]!.received.toString()).toBe('hello')
    },
  )
})
