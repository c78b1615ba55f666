import { connectionMark, EPOCH_COUNT, epochOfMark } from '@trireme/core'
import { describe, expect, it } from 'vitest'
import { established, straight } from './simulation/attacks.js'
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
  SERVER,
  stateAt,
  twoHosts,
  web,
} from './simulation/scenarios.js'
import type { SimulatedHost } from './simulation/simulated-host.js'

const FORBIDDING = web({ receiverRules: [] })
const ALLOWING = web({ receiverRules: [appRule('accept', 'frontend'), appRule('accept', 'other')] })

function marks(host: SimulatedHost): readonly number[] {
  return [...host.conntrack.values()].map(({ mark }) => mark)
}

describe('a change of policy', () => {
  it('ends an idle connection that it no longer allows, at both ends, and says why', async () => {
    const { network, server, socket, peer } = await established()
    await server.enforce(FORBIDDING, true)
    network.run(5)
    expect([socket.error, peer.error]).toEqual(['ECONNRESET', 'ECONNABORTED'])
    expect(server.records.at(-1)).toMatchObject({
      verdict: 'reject',
      reason: 'policy',
      source: { id: 'frontend', ip: CLIENT.address, port: CLIENT.port },
      destination: { id: 'web', ip: SERVER.address, port: SERVER.port },
    })
    expect(stateAt(server)).toBe('unknown')
  })

  it('ends what a client may not call any more', async () => {
    const { network, client, socket, peer } = await established()
    await client.enforce(frontend({ transmitterRules: [] }), true)
    network.run(5)
    expect([socket.error, peer.error]).toEqual(['ECONNABORTED', 'ECONNRESET'])
  })

  it('takes no byte from a connection that it allows still, and brings it into the new epoch', async () => {
    const { network, server, socket, peer } = await established()
    socket.write(', world')
    await server.enforce(ALLOWING, true)
    peer.write('from the server')
    network.run(2000)
    expect([peer.received.toString(), socket.received.toString()]).toEqual([
      'hello, world',
      'from the server',
    ])
    expect(marks(server)).toEqual([connectionMark('auth', 4)])
    expect(server.datapath.epoch).toBe(4)
  })

  it('decides by the new rules while the kernel still has the old ones, and lets nobody slip between', async () => {
    const { network, client, server, socket, peer } = await established()
    await server.decideBy(ALLOWING, true)
    client.ports.set(40_001, 'frontend')
    const meanwhile = client.tcp.connect({ ...CLIENT, port: 40_001 }, SERVER)
    meanwhile.write('new')
    socket.write(', world')
    network.run(500)
    expect(server.tcp.accepted[1]!.received.toString()).toBe('new')
    server.supervise()
    peer.write('x')
    network.run(500)
    expect([peer.received.toString(), socket.received.toString()]).toEqual(['hello, world', 'x'])
    expect(new Set(marks(server).map(epochOfMark))).toEqual(new Set([4]))
  })

  it('keeps what it is told to keep', async () => {
    const { network, client, server, socket, peer } = await established()
    await server.enforce(FORBIDDING, false)
    socket.write(', world')
    network.run(500)
    expect(peer.received.toString()).toBe('hello, world')
    client.ports.set(40_001, 'frontend')
    const denied = client.tcp.connect({ ...CLIENT, port: 40_001 }, SERVER)
    network.run(100)
    expect(denied.error).toBe('ECONNREFUSED')
  })

  it('where the kernel cannot end sockets: the next segment of either end is answered with a reset', async () => {
    const { network, server, socket, peer } = await established({ serverHost: { canEndSockets: false } })
    await server.enforce(FORBIDDING, true)
    network.run(5)
    expect([socket.error, peer.error]).toEqual([undefined, undefined])
    socket.write('more')
    network.run(500)
    expect(socket.error).toBe('ECONNRESET')
    expect(peer.received.toString()).toBe('hello')
  })

  it('of another PU in the namespace takes nothing', async () => {
    const { network, server, socket, peer } = await established()
    await server.enforce({ id: 'other', identity: [], ports: [9000], policy: {} })
    await server.enforce(
      { id: 'other', identity: [], ports: [9000], policy: { receiverRules: [appRule('accept', 'x')] } },
      true,
    )
    socket.write(', world')
    network.run(500)
    expect(peer.received.toString()).toBe('hello, world')
    expect(marks(server)).toEqual([connectionMark('auth', 4)])
  })

  it('in one namespace: either end may end it, and neither alone keeps it', async () => {
    for (const change of [FORBIDDING, frontend({ transmitterRules: [] })]) {
      const { network, host } = await oneHost()
      const socket = host.tcp.connect(LOCAL_CLIENT, LOCAL_SERVER)
      socket.write('hello')
      network.run(50)
      expect(host.tcp.accepted[0]!.received.toString()).toBe('hello')
      await host.enforce(change, true)
      network.run(50)
      expect(socket.state).toBe('closed')
      expect(host.tcp.accepted[0]!.state).toBe('closed')
    }
  })

  it('reaches a connection of whose end the handshake is forgotten long ago', async () => {
    const { network, server, socket } = await established()
    network.run(70_000)
    server.datapath.sweep()
    expect(server.datapath.stats().finished).toBe(0)
    await server.enforce(FORBIDDING, true)
    network.run(5)
    expect(socket.error).toBe('ECONNRESET')
  })

  it('reaches a client that is released and has heard nothing yet', async () => {
    const { network, client, server } = await twoHosts()
    const socket = client.tcp.connect(CLIENT, SERVER)
    network.run(10)
    expect(stateAt(client)).toBe('sent')
    await client.enforce(
      frontend({ transmitterRules: [appRule('accept', 'web'), appRule('accept', 'x')] }),
      true,
    )
    expect(marks(client)).toEqual([connectionMark('sent', 4)])
    socket.write('hello')
    network.run(100)
    expect(server.tcp.accepted[0]!.received.toString()).toBe('hello')
    expect(marks(client)).toEqual([connectionMark('auth', 4)])
    await client.enforce(frontend({ transmitterRules: [] }), true)
    network.run(10)
    expect(socket.state).toBe('closed')
  })
})

describe('the trireme networks move', () => {
  const applicationACLs = [
    { name: 'out', networks: ['192.0.2.0/24'], ports: [], protocol: 'tcp', action: 'accept' } as const,
  ]

  it('away from where a PU is connected by identity: ended, and told why', async () => {
    const { network, client, socket, peer } = await established()
    client.moveNetworks(['10.0.0.0/8'])
    network.run(5)
    expect([socket.error, peer.error]).toEqual(['ECONNABORTED', 'ECONNRESET'])
    const record = { verdict: 'reject', reason: 'policy', destination: { ip: SERVER.address } }
    expect(client.records.at(-1)).toMatchObject(record)
  })

  it('and a rule over addresses allows it: it goes on, also over the next change of policy', async () => {
    const { network, client, socket, peer } = await established({ client: frontend({ applicationACLs }) })
    client.moveNetworks(['10.0.0.0/8'])
    await client.enforce(frontend({ applicationACLs, transmitterRules: [] }), true)
    socket.write(', world')
    network.run(500)
    expect(peer.received.toString()).toBe('hello, world')
  })

  it('away from whom a server let in by identity: he has shown one', async () => {
    const { network, server, socket, peer } = await established()
    server.moveNetworks(['10.0.0.0/8'])
    socket.write(', world')
    network.run(500)
    expect(peer.received.toString()).toBe('hello, world')
  })

  it('and what is not known goes on', async () => {
    const { network, client, socket, peer } = await established()
    for (const entry of client.conntrack.values()) entry.mark = connectionMark('acl', epochOfMark(entry.mark))
    client.moveNetworks(['10.0.0.0/8'])
    socket.write(', world')
    network.run(500)
    expect(peer.received.toString()).toBe('hello, world')
  })
})

describe('connections that addresses let in', () => {
  const rule = (networks: string) =>
    ({ name: networks, networks: [networks], ports: [], protocol: 'tcp', action: 'accept' }) as const

  async function stranger(differences: Parameters<typeof twoHosts>[0] = {}) {
    const world = await twoHosts({
      server: web({ networkACLs: [rule('192.0.2.0/24')] }),
      clientHost: { isEnforced: false },
      ...differences,
    })
    const socket = world.client.tcp.connect(CLIENT, SERVER)
    socket.write('hello')
    world.network.run(50)
    expect(world.server.tcp.accepted[0]!.received.toString()).toBe('hello')
    return { ...world, socket }
  }

  it('stay where the addresses are allowed still', async () => {
    const { network, server, socket } = await stranger()
    await server.enforce(web({ networkACLs: [rule('192.0.2.1/32')] }), true)
    socket.write('!')
    network.run(500)
    expect(server.tcp.accepted[0]!.received.toString()).toBe('hello!')
    expect(marks(server)).toEqual([connectionMark('acl', 4)])
  })

  it('are ended where they are not', async () => {
    const { network, server, socket } = await stranger()
    await server.enforce(web({ networkACLs: [rule('198.51.100.0/24')] }), true)
    network.run(5)
    expect(socket.error).toBe('ECONNRESET')
  })
})

describe('what is not known', () => {
  it('is ended with the first change that may revoke', async () => {
    const { network, server, socket } = await established()
    server.unenforce('web')
    await server.enforce(web())
    server.conntrack.set('stray', { mark: connectionMark('auth', 3), original: 'stray', isConfirmed: true })
    await server.enforce(ALLOWING, true)
    network.run(5)
    expect([socket.state, server.conntrack.has('stray')]).toEqual(['established', false])
  })

  it('waits for its PU, and then for the PU’s rules', async () => {
    const { network, server, socket, peer } = await established()
    server.unenforce('web')
    await server.enforce({ id: 'other', identity: [], ports: [9000], policy: {} })
    await server.enforce({ id: 'other', identity: [], ports: [9000], policy: { mode: 'observe' } }, true)
    socket.write(', world')
    network.run(300)
    expect([peer.received.toString(), socket.state]).toEqual(['hello', 'established'])
    server.ports.set(SERVER.port, 'web')
    await server.enforce(web())
    network.run(5000)
    expect(peer.received.toString()).toBe('hello, world')
  })

  it('no epoch is used while a connection carries it', async () => {
    const { server } = await established()
    for (const epoch of [4, 5, 7]) {
      const original = `stray ${epoch}`
      server.conntrack.set(original, { mark: connectionMark('auth', epoch), original, isConfirmed: true })
    }
    await server.enforce(ALLOWING, true)
    expect(server.datapath.epoch).toBe(6)
  })

  it('loses its entry where no epoch is free, also if the kernel cannot end its socket', async () => {
    const { server } = await established({ serverHost: { canEndSockets: false } })
    for (let epoch = 0; epoch < EPOCH_COUNT; epoch++) {
      const original = `stray ${epoch}`
      server.conntrack.set(original, { mark: connectionMark('auth', epoch), original, isConfirmed: true })
    }
    await server.enforce(ALLOWING, true)
    expect(server.datapath.epoch).toBe(4)
    expect([server.conntrack.has('stray 4'), server.conntrack.has('stray 5')]).toEqual([false, true])
  })
})

it('a segment of a revoked connection that was queued before is not admitted', async () => {
  const { network, server, peer, socket } = await established()
  network.tamper = () => []
  socket.write('secret')
  const data = network.sent.findLast(bytes => kindOf(bytes) === 'data')!
  const entry = [...server.conntrack.values()][0]!
  await server.enforce(FORBIDDING, true)
  server.conntrack.set(entry.original, { ...entry, mark: connectionMark('auth', 3) })
  network.tamper = straight
  const already = network.sent.length
  network.inject(data)
  network.run(10)
  expect(peer.received.toString()).toBe('hello')
  expect(network.sent.slice(already).map(kindOf)).toEqual(['rst'])
  const { sequence } = parsed(data)
  network.inject(forged({ flags: ['RST', 'ACK'], sequence }))
  expect(network.sent.length).toBe(already + 1)
})
