import type { TokenEngine } from '@trireme/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { asyncTokenEngine } from './simulation/hmac-token-engine.js'
import { CLIENT, kindOf, SERVER, stateAt, twoHosts } from './simulation/scenarios.js'

const isAsync = { engine: asyncTokenEngine }

/** An engine that answers when told. */
function stubbornEngine() {
  const release: (() => void)[] = []
  const engine = (inner: TokenEngine): TokenEngine => ({
    ...inner,
    verify: async record => {
      await new Promise<void>(resolve => release.push(resolve))
      return inner.verify(record)
    },
  })
  return { engine, release }
}

describe('an engine that answers with promises', () => {
  it('holds the first packets of a record, and no later ones', async () => {
    const { network, client, server } = await twoHosts({ clientHost: isAsync, serverHost: isAsync })
    const socket = client.tcp.connect(CLIENT, SERVER)
    socket.write('hello')
    await network.runAsync(50)
    expect(server.tcp.accepted[0]!.received.toString()).toBe('hello')
    client.ports.set(40_001, 'frontend')
    const warm = client.tcp.connect({ ...CLIENT, port: 40_001 }, SERVER)
    network.run(10)
    expect(warm.state).toBe('established')
    for (const host of [client, server]) {
      expect(host.datapath.stats().held).toBe(0)
      expect(host.errors).toEqual([])
    }
  })

  it('gives the same reasons as one that answers at once', async () => {
    const { network, client, server } = await twoHosts({ serverHost: { ...isAsync, psk: 9 } })
    client.tcp.connect(CLIENT, SERVER)
    await network.runAsync(20)
    expect(server.counters('web')).toMatchObject({ 'drop.token': 1 })
    expect(server.records[0]).toMatchObject({ verdict: 'reject', reason: 'token' })
    expect(network.sent.map(kindOf)).toEqual(['syn'])
  })

  it('and rejects: dropped as internal, told, nothing admitted', async () => {
    const failure = new Error('out of order')
    const engine = (inner: TokenEngine): TokenEngine => ({ ...inner, verify: () => Promise.reject(failure) })
    const { network, client, server } = await twoHosts({ serverHost: { engine } })
    client.tcp.connect(CLIENT, SERVER)
    await network.runAsync(20)
    expect(server.counters('web')).toMatchObject({ 'drop.internal': 1 })
    expect(server.errors[0]).toBe(failure)
    expect(server.tcp.accepted).toEqual([])
    expect(server.datapath.stats().held).toBe(0)
  })

  it('or throws: the packet is dropped, the process lives, the next one is served', async () => {
    let isBroken = true
    const engine = (inner: TokenEngine): TokenEngine => ({
      ...inner,
      verify: record => {
        if (isBroken) throw new Error('a defect')
        return inner.verify(record)
      },
    })
    const { network, client, server } = await twoHosts({ serverHost: { engine } })
    const socket = client.tcp.connect(CLIENT, SERVER)
    network.run(20)
    expect(server.errors).toEqual([new Error('a defect')])
    expect(network.sent.map(kindOf)).toEqual(['syn'])
    isBroken = false
    network.run(2000)
    expect(socket.state).toBe('established')
  })
})

describe('an engine that takes its time', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

  it('longer than a second: dropped, and a late answer harms nothing', async () => {
    const { engine, release } = stubbornEngine()
    const { network, client, server } = await twoHosts({ serverHost: { engine } })
    const socket = client.tcp.connect(CLIENT, SERVER)
    await network.runAsync(10)
    expect(server.datapath.stats().held).toBe(1)
    vi.advanceTimersByTime(999)
    expect(server.datapath.stats().held).toBe(1)
    vi.advanceTimersByTime(1)
    await network.runAsync(5)
    expect(server.counters('web')).toMatchObject({ 'drop.timeout': 1 })
    expect(server.tcp.accepted).toEqual([])
    for (const answer of release) answer()
    await network.runAsync(1100, 20)
    expect(socket.state).toBe('established')
    expect(server.errors).toEqual([])
  })

  it('for too many packets at once: dropped as overload', async () => {
    const { engine } = stubbornEngine()
    const { network, client, server } = await twoHosts({ serverHost: { engine } })
    for (let port = 20_000; port < 21_100; port++) {
      client.ports.set(port, 'frontend')
      client.tcp.connect({ ...CLIENT, port }, SERVER)
    }
    await network.runAsync(10)
    expect(server.datapath.stats().held).toBe(1024)
    expect(server.counters('web')).toMatchObject({ 'drop.overload': 76 })
  })

  it('until the PU has gone: its packets are not decided for whoever has its queue now', async () => {
    const { engine, release } = stubbornEngine()
    const { network, client, server } = await twoHosts({ serverHost: { engine } })
    client.tcp.connect(CLIENT, SERVER)
    await network.runAsync(10)
    server.unenforce('web')
    expect(server.datapath.stats().held).toBe(0)
    for (const answer of release) answer()
    await network.runAsync(10)
    expect(server.errors).toEqual([])
    expect(stateAt(server)).toBe('handshake')
  })

  it('until the end: closing waits for nobody', async () => {
    const { engine, release } = stubbornEngine()
    const { network, client, server } = await twoHosts({ serverHost: { engine } })
    client.tcp.connect(CLIENT, SERVER)
    await network.runAsync(10)
    server.datapath.close()
    expect(server.datapath.stats().held).toBe(0)
    for (const answer of release) answer()
    await network.runAsync(10)
    expect(server.datapath.stats().held).toBe(0)
    expect(server.errors).toEqual([])
  })
})
