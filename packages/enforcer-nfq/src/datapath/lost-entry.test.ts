import { connectionMark } from '@trireme/core'
import { describe, expect, it } from 'vitest'
import { established } from './simulation/attacks.js'
import { CLIENT, forged, frontend, kindOf, stateAt, twoHosts, web } from './simulation/scenarios.js'

describe('a connection whose entry is gone', () => {
  it.each(['client', 'server', 'both'] as const)('goes on after the %s has lost it', async who => {
    const { network, client, server, socket, peer } = await established()
    if (who !== 'server') client.conntrack.clear()
    if (who !== 'client') server.conntrack.clear()
    socket.write(', world')
    network.run(2000)
    peer.write('and back')
    network.run(2000)
    expect([peer.received.toString(), socket.received.toString()]).toEqual(['hello, world', 'and back'])
    expect([stateAt(client), stateAt(server)]).toEqual(['auth', 'auth'])
    // Nothing new was decided: both ends told of the connection once.
    expect([client.records.length, server.records.length]).toEqual([1, 1])
  })

  it('is kept in mind while its socket is there, and forgotten with it', async () => {
    const { network, server, socket, peer } = await established()
    server.conntrack.clear()
    network.run(120_000)
    server.datapath.sweep()
    socket.write(', world')
    network.run(2000)
    expect(peer.received.toString()).toBe('hello, world')
  })

  it('is ended by a change of policy that forbids it, though the kernel lists no entry', async () => {
    const { network, server, socket, peer } = await established()
    server.conntrack.clear()
    await server.enforce(web({ receiverRules: [] }), true)
    network.run(5)
    expect([socket.error, peer.error]).toEqual(['ECONNRESET', 'ECONNABORTED'])
    expect(server.records.at(-1)).toMatchObject({ verdict: 'reject', reason: 'policy' })
  })

  it('is ended by its next segment where the kernel cannot end sockets', async () => {
    const { network, client, socket, peer } = await established({ clientHost: { canEndSockets: false } })
    client.conntrack.clear()
    await client.enforce(frontend({ transmitterRules: [] }), true)
    socket.write('secret')
    network.run(5000)
    expect(socket.error).toBe('ECONNRESET')
    expect(peer.received.toString()).toBe('hello')
  })
})

describe('forged segments', () => {
  it('of no connection open nothing, and ask the kernel nothing', async () => {
    let asked = 0
    const hasConnection = () => {
      asked++
      return true
    }
    const { network, server } = await twoHosts({ serverHost: { sockets: { hasConnection } } })
    for (let index = 0; index < 1000; index++)
      network.inject(
        forged({ flags: ['PSH', 'ACK'], sourcePort: 1000 + index, sequence: 9, acknowledgement: 9 }),
      )
    network.run(100)
    expect(asked).toBe(0)
    expect([...server.conntrack.values()].map(({ mark }) => mark)).not.toContain(connectionMark('auth', 3))
    // No more than the resets of one second.
    expect(network.sent.filter(bytes => kindOf(bytes) === 'rst').length).toBeLessThanOrEqual(100)
  })

  it('of a connection that has ended open nothing', async () => {
    const { network, server } = await established()
    server.conntrack.clear()
    for (const socket of server.tcp.connected()) socket.abort()
    network.run(100)
    server.conntrack.clear()
    network.inject(
      forged({
        flags: ['PSH', 'ACK'],
        sourcePort: CLIENT.port,
        sequence: 9,
        acknowledgement: 9,
        payload: 'x',
      }),
    )
    network.run(100)
    expect(stateAt(server)).not.toBe('auth')
  })
})
