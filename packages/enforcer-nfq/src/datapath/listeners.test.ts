import { describe, expect, it } from 'vitest'
import { appRule, CLIENT, frontend, oneHost, SERVER, stateAt, twoHosts, web } from './simulation/scenarios.js'
import type { Listening, Sockets } from './sockets.js'

/** What the kernel says of the listener at the SYN, and at the segment that ends the handshake. */
function listening(atSyn: Listening, atAck: Listening = atSyn): Partial<Sockets> {
  return { listenerOfSyn: () => atSyn, listenerOfAck: () => atAck }
}

describe('who listens at a PU’s port', () => {
  it('a stranger at the PU’s port gets no connection, and the record says so', async () => {
    const { network, client, server } = await twoHosts({
      serverHost: { sockets: listening('foreign-listener') },
    })
    const socket = client.tcp.connect(CLIENT, SERVER)
    network.run(100)
    expect(socket.error).toBe('ECONNREFUSED')
    expect(server.tcp.accepted).toEqual([])
    expect(server.records).toMatchObject([
      {
        verdict: 'reject',
        reason: 'foreign-listener',
        source: { id: 'frontend' },
        destination: { id: 'web' },
      },
    ])
  })

  it('nor where the PU is only observed: the client’s rules decided over the PU', async () => {
    const { network, client, server } = await twoHosts({
      server: web({ mode: 'observe' }),
      serverHost: { sockets: listening('foreign-listener') },
    })
    const socket = client.tcp.connect(CLIENT, SERVER)
    network.run(100)
    expect(socket.error).toBe('ECONNREFUSED')
    expect(server.tcp.accepted).toEqual([])
  })

  it('a stranger who binds the port between the SYN and the last segment is not authorized', async () => {
    const { network, client, server } = await twoHosts({
      serverHost: { sockets: listening('own', 'foreign-listener') },
    })
    const socket = client.tcp.connect(CLIENT, SERVER)
    socket.write('secret')
    network.run(5000)
    expect(socket.error).toBe('ECONNRESET')
    expect(stateAt(server)).not.toBe('auth')
    expect(server.tcp.accepted.map(({ received }) => received.toString()).join('')).toBe('')
    expect(server.records.map(({ reason }) => reason)).toContain('foreign-listener')
  })

  it('a SYN that comes again is asked about again', async () => {
    let who: Listening = 'own'
    const { network, client, server } = await twoHosts({
      serverHost: { sockets: { listenerOfSyn: () => who } },
    })
    network.tamper = bytes => {
      const isFirst = network.sent.length === 1
      return isFirst
        ? [
            { bytes, delayMs: 1 },
            { bytes, delayMs: 50 },
          ]
        : []
    }
    client.tcp.connect(CLIENT, SERVER)
    network.run(20)
    who = 'foreign-listener'
    network.run(100)
    expect(server.records.map(({ reason }) => reason)).toEqual(['foreign-listener'])
  })

  it('where nobody listens the kernel refuses, and the record tells it from a rule', async () => {
    const { network, client, server } = await twoHosts({
      serverHost: { sockets: listening('no-listener') },
      server: { ...web(), ports: [SERVER.port, 81] },
    })
    const socket = client.tcp.connect(CLIENT, { ...SERVER, port: 81 })
    network.run(100)
    expect(socket.error).toBe('ECONNREFUSED')
    expect(server.records).toMatchObject([{ verdict: 'reject', reason: 'no-listener', rule: '' }])
  })

  it('who may not connect is refused by the rule, and nobody is asked about sockets', async () => {
    let asked = 0
    const listenerOfSyn = (): Listening => {
      asked++
      return 'own'
    }
    const { network, client, server } = await twoHosts({
      serverHost: { sockets: { listenerOfSyn } },
      server: web({ receiverRules: [] }),
    })
    client.tcp.connect(CLIENT, SERVER)
    network.run(100)
    expect(asked).toBe(0)
    expect(server.records).toMatchObject([{ reason: 'policy' }])
  })

  it('waits where it is not known at once whose the socket is', async () => {
    let known: Listening | undefined
    const look = new Promise<void>(resolve =>
      setImmediate(() => {
        known = 'own'
        resolve()
      }),
    )
    const { network, client, server } = await twoHosts({
      serverHost: { sockets: { listenerOfSyn: () => known ?? look } },
    })
    const socket = client.tcp.connect(CLIENT, SERVER)
    await network.runAsync(100)
    expect(socket.state).toBe('established')
    expect(server.records).toMatchObject([{ verdict: 'accept' }])
  })

  it('the same on loopback, where both ends share an entry', async () => {
    const { network, host } = await oneHost({
      clientHost: { sockets: listening('foreign-listener') },
    })
    const local = (port: number) => ({ address: '127.0.0.1', port })
    const socket = host.tcp.connect(local(40_000), local(SERVER.port))
    network.run(100)
    expect(socket.error).toBe('ECONNREFUSED')
    expect(host.tcp.accepted).toEqual([])
  })

  it('a client without identity that the PU’s rules over addresses allow does not reach a stranger either', async () => {
    const networkACLs = [
      { name: 'all', networks: ['0.0.0.0/0'], ports: [], protocol: 'tcp', action: 'accept' } as const,
    ]
    const { network, client, server } = await twoHosts({
      client: frontend({ transmitterRules: [appRule('accept', 'web')] }),
      clientHost: { isEnforced: false },
      server: web({ networkACLs }),
      serverHost: { sockets: listening('foreign-listener') },
    })
    const socket = client.tcp.connect(CLIENT, SERVER)
    network.run(100)
    expect(socket.error).toBe('ECONNREFUSED')
    expect(server.records).toMatchObject([{ verdict: 'reject', reason: 'foreign-listener' }])
  })
})
