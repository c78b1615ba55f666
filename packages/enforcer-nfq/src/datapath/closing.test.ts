/** Either end closes or aborts at any moment of the handshake: both sockets end as they do where nobody enforces. */
import { describe, expect, it } from 'vitest'
import { straight } from './simulation/attacks.js'
import {
  CLIENT,
  kindOf,
  LOCAL_CLIENT,
  LOCAL_SERVER,
  oneHost,
  SERVER,
  twoHosts,
} from './simulation/scenarios.js'
import type { SimulatedHost } from './simulation/simulated-host.js'
import type { SimulatedNetwork } from './simulation/simulated-network.js'
import type { SimulatedSocket } from './simulation/simulated-socket.js'

/** A packet is on its way for a millisecond; the connection is there after three. */
const MOMENTS = [0, 1, 2, 3, 4, 5]
const LONG_MS = 150_000

interface Scene {
  readonly network: SimulatedNetwork
  readonly server: SimulatedHost
  readonly connect: () => SimulatedSocket
}

const places: Readonly<Record<string, () => Promise<Scene>>> = {
  'two hosts': async () => {
    const { network, client, server } = await twoHosts()
    const connect = () => client.tcp.connect(CLIENT, SERVER)
    return { network, server, connect }
  },
  'one namespace': async () => {
    const { network, host } = await oneHost()
    const connect = () => host.tcp.connect(LOCAL_CLIENT, LOCAL_SERVER)
    return { network, server: host, connect }
  },
}

async function upTo(moment: number, place: string) {
  const scene = await places[place]!()
  const socket = scene.connect()
  scene.network.run(moment)
  return { ...scene, socket }
}

describe.each(Object.keys(places))('%s', place => {
  it.each(MOMENTS)(
    'MAC_c is lost, and the client writes and ends after %i ms: the server has every byte',
    async ms => {
      const { network, server, socket } = await upTo(0, place)
      let seen = 0
      network.tamper = bytes => (kindOf(bytes) === 'ack' && seen++ === 0 ? [] : straight(bytes, 0))
      network.run(ms)
      socket.write('a word')
      socket.end()
      network.run(LONG_MS)
      expect(seen).toBeGreaterThan(1)
      expect(server.tcp.accepted[0]?.received.toString()).toBe('a word')
      expect(server.tcp.accepted[0]?.isEnded).toBe(true)
    },
  )

  it.each(MOMENTS)(
    'the client ends its stream after %i ms: the server hears the end, and answers',
    async ms => {
      const { network, server, socket } = await upTo(ms, place)
      socket.end()
      network.run(LONG_MS)
      const [peer] = server.tcp.accepted
      expect([peer?.isEnded, peer?.received.length]).toEqual([true, 0])
      peer!.write('so long')
      peer!.end()
      network.run(LONG_MS)
      expect([socket.received.toString(), socket.isEnded]).toEqual(['so long', true])
    },
  )

  it.each(MOMENTS)('the client writes and ends after %i ms: the server has every byte', async ms => {
    const { network, server, socket } = await upTo(ms, place)
    socket.write('a word')
    socket.end()
    network.run(LONG_MS)
    expect(server.tcp.accepted[0]?.received.toString()).toBe('a word')
    expect(server.tcp.accepted[0]?.isEnded).toBe(true)
  })

  it.each(MOMENTS)('the client aborts after %i ms: nothing is left at the server', async ms => {
    const { network, server, socket, connect } = await upTo(ms, place)
    socket.abort()
    network.run(LONG_MS)
    expect(server.tcp.accepted.every(peer => peer.state === 'closed' && peer.received.length === 0)).toBe(
      true,
    )
    const again = connect()
    again.write('again')
    network.run(LONG_MS)
    expect(server.tcp.accepted.at(-1)!.received.toString()).toBe('again')
  })

  it.each(MOMENTS.filter(ms => ms > 0))('the server aborts after %i ms: the client is told', async ms => {
    const { network, server, socket } = await upTo(ms, place)
    server.tcp.accepted[0]!.abort()
    network.run(LONG_MS)
    expect(socket.state).toBe('closed')
    expect(server.tcp.accepted.every(peer => peer.state !== 'established')).toBe(true)
  })
})
