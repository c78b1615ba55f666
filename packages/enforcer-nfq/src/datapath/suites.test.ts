import { nullSecrets, pskSecrets, type SecretSuite, type Secrets, type TokenEngine } from '@trireme/core'
import { describe, expect, it } from 'vitest'
import { halfOpen, losing, straight } from './simulation/attacks.js'
import { asyncTokenEngine, hmacTokenEngine } from './simulation/hmac-token-engine.js'
import { CLIENT, kindOf, parsed, SERVER, stateAt, twoHosts } from './simulation/scenarios.js'

type Wrap = (engine: TokenEngine) => TokenEngine

/** A suite of its own number: a pre-shared key for each, all bytes of which are `fill`. */
function suite(
  encodingCode: number,
  fill: number | readonly number[] = encodingCode,
  wrap: Wrap = same => same,
): SecretSuite {
  const keys = [fill].flat().map(byte => new Uint8Array(32).fill(byte))
  const secrets: Secrets = pskSecrets({ keys })
  return { secrets, tokenEngine: wrap({ ...hmacTokenEngine(secrets), encodingCode }) }
}

const OLD = 8
const NEW = 9
const suiteOf = (bytes: Uint8Array) => parsed(bytes).payload()[4]! & 0x0f

async function worldOf(client: readonly SecretSuite[], server: readonly SecretSuite[]) {
  return twoHosts({ clientHost: { suites: client }, serverHost: { suites: server } })
}

describe('suites', () => {
  it.each([
    ['the server accepts the new one and sends the old', [suite(NEW)], [suite(OLD), suite(NEW)], NEW],
    ['the server sends the new one and accepts the old', [suite(OLD)], [suite(NEW), suite(OLD)], OLD],
    ['both know both', [suite(OLD), suite(NEW)], [suite(NEW), suite(OLD)], OLD],
  ])('the SYN’s is the handshake’s: %s', async (_, client, server, expected) => {
    const world = await worldOf(client, server)
    const socket = world.client.tcp.connect(CLIENT, SERVER)
    world.network.run(10)
    expect([socket.state, stateAt(world.server)]).toEqual(['established', 'auth'])
    expect(world.network.sent.slice(0, 3).map(suiteOf)).toEqual([expected, expected, expected])
  })

  it('another encoding of the same mode, and another mode, are refused with their reasons', async () => {
    const unsigned = nullSecrets({ allow: true })
    const anonymous = {
      secrets: unsigned,
      tokenEngine: { ...hmacTokenEngine(unsigned), issue: () => new Uint8Array(40) },
    }
    for (const [mine, reason] of [
      [suite(OLD), 'encoding'],
      [anonymous, 'mode'],
    ] as const) {
      const world = await worldOf([mine], [suite(NEW)])
      world.client.tcp.connect(CLIENT, SERVER)
      world.network.run(10)
      expect(world.server.counters('web')).toEqual({ [`drop.${reason}`]: 1, rejected: 1 })
    }
  })

  it('flaw 7: a client takes the suite that it sent and no other that it knows', async () => {
    const { network, client } = await worldOf([suite(OLD), suite(NEW)], [suite(OLD), suite(NEW)])
    network.tamper = bytes => {
      const isAnswer = kindOf(bytes) === 'syn-ack'
      if (!isAnswer) return straight(bytes, 0)
      const packet = parsed(bytes)
      packet.payload()[4] = (packet.payload()[4]! & 0xf0) | NEW
      return straight(packet.data, 0)
    }
    const socket = client.tcp.connect(CLIENT, SERVER)
    network.run(10)
    expect(socket.state).toBe('syn-sent')
    expect(client.counters('frontend')).toMatchObject({ 'drop.encoding': 1 })
  })
})

describe('a change of secrets in the middle of a handshake', () => {
  it('flaw 10: MAC_c of a record that nobody vouches for any more authorizes nothing', async () => {
    const { network, server, ack } = await halfOpen()
    network.tamper = straight
    ;(server.secrets as ReturnType<typeof pskSecrets>).replaceKeys([new Uint8Array(32).fill(3)])
    network.inject(ack)
    network.run(5)
    expect(stateAt(server)).toBe('handshake')
    expect(server.counters('web')).toMatchObject({ 'drop.token': 1 })
    expect(server.records.at(-1)).toMatchObject({ verdict: 'reject', reason: 'token' })
  })

  it('a record that still holds is verified again, and the connection comes about', async () => {
    const { network, server, ack } = await halfOpen()
    network.tamper = straight
    ;(server.secrets as ReturnType<typeof pskSecrets>).replaceKeys(
      [3, 7].map(fill => new Uint8Array(32).fill(fill)),
    )
    network.inject(ack)
    network.run(5)
    expect(stateAt(server)).toBe('auth')
  })

  it('the server’s answer is not taken when nobody vouches for it any more', async () => {
    const { network, client, server } = await worldOf([suite(OLD, [1, 2])], [suite(OLD, [2, 1])])
    const socket = client.tcp.connect(CLIENT, SERVER)
    network.run(1)
    expect(network.sent.map(kindOf)).toEqual(['syn', 'syn-ack'])
    await client.handshakes.replace([suite(OLD, 1)])
    network.run(10)
    expect(client.counters('frontend')).toMatchObject({ 'drop.token': 1 })
    expect([socket.state, stateAt(server)]).toEqual(['syn-sent', 'handshake'])
  })

  it('MAC_c does not leave for such a server, either: the client’s socket hears of it', async () => {
    const { network, client, server } = await worldOf([suite(OLD, [1, 2])], [suite(OLD, [2, 1])])
    network.tamper = losing('ack')
    const socket = client.tcp.connect(CLIENT, SERVER)
    network.run(10)
    expect(socket.state).toBe('established')
    await client.handshakes.replace([suite(OLD, 1)])
    network.tamper = straight
    // Data that is sent again shows that MAC_c was lost.
    socket.write('hello')
    network.run(5000)
    expect(socket.error).toBe('ECONNRESET')
    expect(client.records.at(-1)).toMatchObject({ verdict: 'reject', reason: 'token' })
    expect(stateAt(server)).not.toBe('auth')
  })

  it('a suite that went answers and authorizes nobody', async () => {
    const world = await worldOf([suite(OLD)], [suite(OLD), suite(NEW)])
    world.network.tamper = losing('ack', 'data')
    world.client.tcp.connect(CLIENT, SERVER)
    world.network.run(10)
    const ack = world.network.sent.find(bytes => kindOf(bytes) === 'ack')!
    await world.server.handshakes.replace([suite(NEW)])
    world.network.tamper = straight
    world.network.inject(ack)
    world.network.run(5)
    expect(stateAt(world.server)).toBe('handshake')
    expect(world.server.counters('web')).toMatchObject({ 'drop.encoding': 1 })
  })

  it('a SYN that is sent again bears the new key where the node has one', async () => {
    const { network, client, server } = await worldOf([suite(OLD)], [suite(NEW)])
    const socket = client.tcp.connect(CLIENT, SERVER)
    network.run(10)
    await client.handshakes.replace([suite(NEW)])
    network.run(1000)
    expect([socket.state, stateAt(server)]).toEqual(['established', 'auth'])
  })

  it.each([
    ['at once', (same: TokenEngine) => same],
    ['later', asyncTokenEngine],
  ])('three phases on both nodes fail no connection, with an engine that answers %s', async (_, wrap) => {
    const of = (...codes: readonly number[]) => codes.map(code => suite(code, code, wrap))
    const world = await worldOf(of(OLD), of(OLD))
    const { network, client, server } = world
    let port = 41_000
    const sockets: ReturnType<typeof client.tcp.connect>[] = []
    const connectSome = async () => {
      for (let count = 0; count < 5; count++) {
        client.ports.set(++port, 'frontend')
        sockets.push(client.tcp.connect({ ...CLIENT, port }, SERVER))
        await network.runAsync(1)
      }
    }
    for (const phase of [of(OLD, NEW), of(NEW, OLD), of(NEW)]) {
      for (const host of [client, server]) {
        await connectSome()
        const replaced = host.handshakes.replace(phase)
        await connectSome()
        await replaced
      }
      await connectSome()
      await network.runAsync(50)
    }
    expect(sockets.map(socket => socket.state).filter(state => state !== 'established')).toEqual([])
    expect([client.errors, server.errors]).toEqual([[], []])
    expect(client.handshakes.sending.suite.encodingCode).toBe(NEW)
  })
})
