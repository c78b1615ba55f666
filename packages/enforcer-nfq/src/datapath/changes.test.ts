import { describe, expect, it } from 'vitest'
import { CLIENT, frontend, kindOf, SERVER, stateAt, twoHosts, web } from './simulation/scenarios.js'

describe('changes in the middle of a handshake', () => {
  const withoutACKs = async (differences: Parameters<typeof twoHosts>[0] = {}) => {
    const world = await twoHosts(differences)
    const held: Uint8Array[] = []
    world.network.tamper = bytes => {
      if (kindOf(bytes) !== 'ack') return [{ bytes, delayMs: 1 }]
      held.push(bytes)
      return []
    }
    const socket = world.client.tcp.connect(CLIENT, SERVER)
    world.network.run(10)
    world.network.tamper = bytes => [{ bytes, delayMs: 1 }]
    return { ...world, socket, ack: held[0]! }
  }

  it('the policy denies at MAC_c what it allowed at the SYN: both sockets go, nothing is marked', async () => {
    const { network, client, server, socket, ack } = await withoutACKs()
    await server.enforce(web({ receiverRules: [] }))
    network.inject(ack)
    network.run(5)
    expect(socket.error).toBe('ECONNRESET')
    expect(stateAt(server)).toBe('handshake')
    expect(server.records).toEqual([expect.objectContaining({ verdict: 'reject', reason: 'policy' })])
    network.run(3000)
    expect(server.tcp.accepted[0]!.error).toBe('ECONNRESET')
    expect(client.records).toHaveLength(1)
  })

  it('the same with deny: drop', async () => {
    const { network, server, socket, ack } = await withoutACKs()
    await server.enforce(web({ receiverRules: [], denyWith: 'drop' }))
    network.inject(ack)
    network.run(5)
    expect([socket.state, server.tcp.accepted[0]!.state]).toEqual(['established', 'syn-received'])
    expect(stateAt(server)).toBe('handshake')
  })

  it('the policy comes to allow what it denied', async () => {
    const { network, client, server } = await twoHosts({
      server: web({ receiverRules: [], denyWith: 'drop' }),
    })
    const socket = client.tcp.connect(CLIENT, SERVER)
    network.run(500)
    await server.enforce(web())
    network.run(1000)
    expect(socket.state).toBe('established')
  })

  it('the client’s policy changes before the SYN-ACK: with and without overlay', async () => {
    for (const isEnforced of [true, false]) {
      const applicationACLs = [
        { name: 'all', networks: ['0.0.0.0/0'], ports: [], protocol: 'tcp', action: 'accept' } as const,
      ]
      const { network, client } = await twoHosts({
        client: frontend({ applicationACLs }),
        serverHost: { isEnforced },
      })
      network.tamper = bytes => [{ bytes, delayMs: 10 }]
      const socket = client.tcp.connect(CLIENT, SERVER)
      await client.enforce(frontend({ transmitterRules: [] }))
      network.run(30)
      expect(socket.error).toBe('ECONNREFUSED')
      expect(client.records).toEqual([expect.objectContaining({ verdict: 'reject' })])
    }
  })

  it('the server’s PU goes: MAC_c admits nobody, and the client learns it', async () => {
    const { network, server, socket, ack } = await withoutACKs()
    server.unenforce('web')
    server.ports.clear()
    network.inject(ack)
    network.run(5)
    expect(server.tcp.accepted[0]!.state).toBe('syn-received')
    expect(socket.error).toBe('ECONNRESET')
    expect(server.datapath.stats().handshakes).toBe(0)
  })

  it('the client’s PU goes: its answer is not taken', async () => {
    const { network, client } = await twoHosts()
    const socket = client.tcp.connect(CLIENT, SERVER)
    client.unenforce('frontend')
    network.run(100)
    expect(socket.state).toBe('syn-sent')
  })

  it('the record expires before MAC_c', async () => {
    const { network, server, ack } = await withoutACKs()
    network.tamper = () => []
    network.run(211_000)
    network.inject(ack)
    expect(server.counters('web')).toMatchObject({ 'drop.clock': 1 })
    expect(stateAt(server)).toBe('handshake')
  })

  it('a SYN that is sent again is judged again: it keeps no half-open connection alive for ever', async () => {
    const { network, client, server } = await twoHosts()
    network.tamper = bytes => (kindOf(bytes) === 'syn' ? [{ bytes, delayMs: 1 }] : [])
    client.tcp.connect(CLIENT, SERVER)
    network.run(5)
    const syn = network.sent[0]!
    for (let minute = 0; minute < 5; minute++) {
      network.run(60_000)
      network.inject(syn)
      server.datapath.sweep()
    }
    expect(server.datapath.stats().handshakes).toBe(0)
    expect(server.counters('web')['drop.clock']).toBeGreaterThan(0)
  })
})
