import { describe, expect, it } from 'vitest'
import { tcpPacket } from '../testing/index.js'
import { appRule, CLIENT, frontend, kindOf, oneHost, web } from './simulation/scenarios.js'

describe('one namespace', () => {
  const local = (port: number) => ({ address: '127.0.0.1', port })

  it('a PU may call itself', async () => {
    const { network, host } = await oneHost({
      server: web({
        receiverRules: [appRule('accept', 'web')],
        transmitterRules: [appRule('accept', 'web')],
      }),
    })
    host.ports.set(40_001, 'web')
    const socket = host.tcp.connect(local(40_001), local(8080))
    socket.write('myself')
    network.run(100)
    expect(host.tcp.accepted[0]!.received.toString()).toBe('myself')
    expect(host.records).toHaveLength(2)
  })

  it('a PU may call itself by an address that only its namespace knows', async () => {
    const server = web({ receiverRules: [appRule('accept', 'frontend')] })
    const { network, host } = await oneHost({ server, clientHost: { addresses: [CLIENT.address] } })
    const socket = host.tcp.connect(CLIENT, { ...CLIENT, port: 8080 })
    network.run(100)
    expect(socket.state).toBe('established')
  })

  it('a server beside the PUs: the client’s ACLs decide', async () => {
    const applicationACLs = [
      { name: 'local', networks: ['127.0.0.0/8'], ports: [], protocol: 'tcp', action: 'accept' } as const,
    ]
    for (const [policy, error, received] of [
      [{}, 'ECONNREFUSED', ''],
      [{ applicationACLs }, undefined, 'hello'],
    ] as const) {
      const { network, host } = await oneHost({ client: frontend(policy) })
      host.tcp.listen(5432)
      const socket = host.tcp.connect(local(40_000), local(5432))
      socket.write('hello')
      network.run(3000)
      expect(socket.error).toBe(error)
      expect(host.tcp.accepted[0]!.received.toString()).toBe(received)
      expect(host.tcp.violations).toEqual([])
    }
  })

  it('a PU’s answer that belongs to no SYN leaves as nothing but a reset', async () => {
    const { network, host } = await oneHost()
    network.tamper = () => []
    host.tcp.connect(local(40_000), local(8080))
    const before = network.sent.length
    const ends = { source: '127.0.0.1', sourcePort: 8080, destination: '127.0.0.1', destinationPort: 40_000 }
    host.output(tcpPacket({ ...ends, flags: ['SYN', 'ACK'], sequence: 1, acknowledgement: 2 }))
    expect(network.sent.slice(before).map(kindOf)).toEqual(['rst'])
  })

  it('a client beside the PUs: the server’s ACLs decide', async () => {
    const networkACLs = [
      { name: 'local', networks: ['127.0.0.0/8'], ports: [], protocol: 'tcp', action: 'accept' } as const,
    ]
    for (const [policy, error] of [
      [{}, 'ECONNREFUSED'],
      [{ networkACLs }, undefined],
    ] as const) {
      const { network, host } = await oneHost({ server: web(policy) })
      const socket = host.tcp.connect(local(50_000), local(8080))
      network.run(100)
      expect(socket.error).toBe(error)
    }
  })

  it('a handshake under way is forgotten after 64 s', async () => {
    const { network, host } = await oneHost()
    network.tamper = bytes => (kindOf(bytes) === 'syn' ? [{ bytes, delayMs: 1 }] : [])
    host.tcp.connect(local(40_000), local(8080))
    network.run(10)
    network.tamper = () => []
    expect(host.datapath.stats().handshakes).toBe(2)
    network.run(250_000)
    host.datapath.sweep()
    expect(host.datapath.stats().handshakes).toBe(0)
  })
})
