/** What becomes of a handshake when the enforcer of either end is restarted in the middle of it. */
import { describe, expect, it } from 'vitest'
import { tcpPacket } from '../testing/index.js'
import { losing, straight } from './simulation/attacks.js'
import {
  CLIENT,
  frontend,
  kindOf,
  LOCAL_CLIENT,
  LOCAL_SERVER,
  oneHost,
  SERVER,
  twoHosts,
  web,
} from './simulation/scenarios.js'
import type { SimulatedHost } from './simulation/simulated-host.js'

async function restart(host: SimulatedHost): Promise<void> {
  if (host.datapath.pu('web')) {
    host.unenforce('web')
    await host.enforce(web())
  }
  if (host.datapath.pu('frontend')) {
    host.unenforce('frontend')
    await host.enforce(frontend())
  }
}

describe.each(['client', 'server'] as const)('the enforcer of the %s is restarted', end => {
  it('a client that took the answer and says nothing hears of a reset when the answer comes again', async () => {
    const world = await twoHosts()
    world.network.tamper = losing('ack')
    const socket = world.client.tcp.connect(CLIENT, SERVER)
    world.network.run(10)
    expect(socket.state).toBe('established')
    await restart(world[end])
    world.network.run(2000)
    expect(socket.error).toBe('ECONNRESET')
  })

  it('a client that has not got it yet connects', async () => {
    const world = await twoHosts()
    world.network.tamper = losing('syn-ack')
    const socket = world.client.tcp.connect(CLIENT, SERVER)
    world.network.run(10)
    const forgotten = world.network.sent.find(bytes => kindOf(bytes) === 'syn-ack')!
    await restart(world[end])
    world.network.tamper = straight
    if (end === 'client') world.network.inject(forgotten)
    world.network.run(4000)
    socket.write('hello')
    world.network.run(1000)
    expect(socket.state).toBe('established')
    expect(world.server.tcp.accepted.at(-1)!.received.toString()).toBe('hello')
    for (const host of [world.client, world.server]) expect(host.tcp.violations).toEqual([])
  })
})

it('a released client whose server lost the handshake hears of a reset', async () => {
  const { network, server, client } = await twoHosts()
  network.tamper = losing('ack')
  const socket = client.tcp.connect(CLIENT, SERVER)
  network.run(10)
  network.tamper = losing('syn')
  await restart(server)
  network.run(2000)
  expect(socket.error).toBe('ECONNRESET')
  expect(server.tcp.accepted.filter(peer => peer.isEstablished)).toEqual([])
})

it('in one namespace, too', async () => {
  const { network, host } = await oneHost()
  network.tamper = losing('ack')
  const socket = host.tcp.connect(LOCAL_CLIENT, LOCAL_SERVER)
  network.run(10)
  expect(socket.state).toBe('established')
  await restart(host)
  network.tamper = straight
  network.run(2000)
  expect(socket.error).toBe('ECONNRESET')
})

it('such resets are a hundred a second at most, and none is for an authorized connection', async () => {
  const { network, client, server } = await twoHosts()
  const ends = { source: SERVER.address, destination: CLIENT.address, sourcePort: 8080 }
  const answer = (destinationPort: number) =>
    tcpPacket({ ...ends, destinationPort, flags: ['SYN', 'ACK'], sequence: 7, acknowledgement: 8 })
  network.tamper = losing('syn')
  for (let port = 1; port <= 150; port++) {
    client.ports.set(port, 'frontend')
    client.tcp.connect({ ...CLIENT, port }, SERVER)
  }
  await restart(client)
  const sockets = client.tcp.connected()
  for (let port = 1; port <= 150; port++) network.inject(answer(port))
  expect(client.counters('frontend')).toMatchObject({ 'drop.mid-stream': 50 })
  expect(sockets.every(socket => socket.state === 'syn-sent')).toBe(true)
  network.tamper = straight
  const live = client.tcp.connect(CLIENT, SERVER)
  network.run(10)
  live.write('hello')
  network.run(10)
  await restart(client)
  network.inject(answer(CLIENT.port))
  network.run(10)
  expect([live.state, server.tcp.accepted[0]!.state]).toEqual(['established', 'established'])
})
