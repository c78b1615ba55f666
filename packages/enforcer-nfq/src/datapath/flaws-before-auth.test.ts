import { describe, expect, it } from 'vitest'
import { LINUX_SYN_OPTIONS, type TcpFlag, tcpPacket } from '../testing/index.js'
import { established, expectOutside, halfOpen, losing, straight } from './simulation/attacks.js'
import {
  CLIENT,
  forged,
  kindOf,
  parsed,
  readdressed,
  SERVER,
  stateAt,
  twoHosts,
  web,
} from './simulation/scenarios.js'

describe('flaw 1: nothing but RST passes before AUTH', () => {
  const attempts: readonly (readonly [string, readonly TcpFlag[], number])[] = [
    ['ACK with data', ['ACK'], 0],
    ['PSH+ACK', ['PSH', 'ACK'], 0],
    ['FIN+ACK with data', ['FIN', 'ACK'], 0],
    ['FIN+PSH+ACK', ['FIN', 'PSH', 'ACK'], 0],
    ['URG+ACK', ['URG', 'ACK'], 0],
    ['ECE+CWR+ACK', ['ECE', 'CWR', 'ACK'], 0],
    ['SYN-ACK+PSH', ['SYN', 'ACK', 'PSH'], 0],
    ['SYN+PSH with data', ['SYN', 'PSH'], -1],
    ['SYN+FIN', ['SYN', 'FIN'], -1],
    ['SYN+RST', ['SYN', 'RST'], -1],
    ['no ACK bit', ['PSH'], 0],
    ['no flags', [], 0],
    ['a bad sequence number', ['ACK'], 100_000],
    ['a sequence number before the window', ['ACK'], -5],
  ]

  it.each(attempts)('flaw 1: %s, first or after a bare ACK', async (_, flags, offset) => {
    for (const first of [undefined, { ...{ flags: ['ACK'] as const }, offset: 100_000 }]) {
      const { network, server, next } = await halfOpen()
      if (first)
        network.inject(
          forged({ ...next, sequence: (next.sequence + first.offset) >>> 0, flags: first.flags }),
        )
      network.inject(forged({ ...next, flags: ['ACK'] }))
      network.inject(forged({ ...next, sequence: (next.sequence + offset) >>> 0, flags, payload: 'attack' }))
      network.inject(forged({ ...next, flags: ['PSH', 'ACK'], payload: 'attack' }))
      network.run(20)
      expectOutside(server)
    }
  })

  it('flaw 1: with our option and a made-up MAC', async () => {
    const { network, server, next, ack } = await halfOpen()
    const overlay = Uint8Array.from(parsed(ack).payload())
    overlay.fill(7, 8)
    for (const payload of [overlay, overlay.subarray(0, 39), new Uint8Array(40), new Uint8Array(0), 'attack'])
      network.inject(forged({ ...next, flags: ['ACK'], options: ['overlay'], payload }))
    network.run(20)
    expectOutside(server)
  })

  it('flaw 1: the right MAC at wrong numbers, or on a segment that is no ACK', async () => {
    const { network, server, next, ack } = await halfOpen()
    const payload = Uint8Array.from(parsed(ack).payload())
    const common = { ...next, options: ['overlay'] as const, payload }
    network.inject(forged({ ...common, flags: ['ACK'], sequence: next.sequence + 1 }))
    network.inject(forged({ ...common, flags: ['ACK'], acknowledgement: next.acknowledgement + 1 }))
    network.inject(forged({ ...common, flags: [] }))
    network.inject(forged({ ...common, flags: ['RST', 'ACK'] }))
    network.inject(forged({ ...common, flags: ['SYN', 'ACK'] }))
    network.inject(
      forged({
        ...next,
        flags: ['ACK'],
        options: ['overlay'],
        payload: Buffer.concat([payload, Buffer.from('attack')]),
      }),
    )
    network.run(20)
    expectOutside(server)
    network.inject(ack)
    network.run(5)
    expect(stateAt(server)).toBe('auth')
  })

  it('flaw 1: the server leaks nothing either, but for its SYN-ACK and resets', async () => {
    const { network, server, isnC, isnS } = await halfOpen()
    const up = {
      source: SERVER.address,
      sourcePort: 8080,
      destination: CLIENT.address,
      destinationPort: 40_000,
    }
    const before = network.sent.length
    for (const flags of [['ACK'], ['PSH', 'ACK'], ['FIN', 'ACK']] as const)
      server.output(
        tcpPacket({ ...up, flags, sequence: isnS + 1, acknowledgement: isnC + 1, payload: 'secret' }),
      )
    expect(network.sent.length).toBe(before)
    server.output(tcpPacket({ ...up, flags: ['RST'], sequence: isnS + 1 }))
    expect(network.sent.length).toBe(before + 1)
  })
})

describe('flaw 2: a second SYN releases nothing', () => {
  it.each([
    ['without overlay', undefined],
    ['with the overlay of the first one', 'replayed'],
  ])('flaw 2: %s, then a bare ACK outside the window, then data', async (_, overlay) => {
    const { network, server, syn, next, isnC, ack } = await halfOpen()
    const payload = overlay ? Uint8Array.from(parsed(syn).payload()) : new Uint8Array(0)
    const options = [...LINUX_SYN_OPTIONS, ...(overlay ? (['overlay'] as const) : [])]
    for (const shift of [1000, 2000, 3000])
      network.inject(forged({ flags: ['SYN'], sequence: isnC + shift, options, payload }))
    network.inject(forged({ ...next, sequence: (isnC - 70_000) >>> 0, flags: ['ACK'] }))
    network.inject(forged({ ...next, flags: ['PSH', 'ACK'], payload: 'attack' }))
    network.run(20)
    expectOutside(server)
    // And it harms the real connection as little.
    network.inject(ack)
    network.run(5)
    expect(stateAt(server)).toBe('auth')
  })

  it('flaw 2: a SYN without overlay turns no authorized flow into one that an ACL let in, and is not answered', async () => {
    const acl = { name: 'all', networks: ['0.0.0.0/0'], ports: [], protocol: 'tcp' } as const
    for (const action of ['accept', 'reject'] as const) {
      const { network, server } = await established({ server: web({ networkACLs: [{ ...acl, action }] }) })
      const before = network.sent.length
      network.inject(forged({ flags: ['SYN'], sequence: 1, options: LINUX_SYN_OPTIONS }))
      expect(stateAt(server)).toBe('auth')
      expect(network.sent.length).toBe(before)
    }
  })

  it('flaw 2: on an authorized flow, a SYN changes no mark before the PU’s kernel answers it', async () => {
    const { network, server, peer, syn } = await established()
    network.inject(forged({ flags: ['SYN'], sequence: 1, options: LINUX_SYN_OPTIONS }))
    const payload = Uint8Array.from(parsed(syn).payload())
    network.inject(
      forged({ flags: ['SYN'], sequence: 2, options: [...LINUX_SYN_OPTIONS, 'overlay'], payload }),
    )
    network.inject(syn)
    network.run(20)
    expect(stateAt(server)).toBe('auth')
    expect(peer.state).toBe('established')
  })
})

describe('flaw 4: every bit of the handshake is under a MAC', () => {
  it.each(['syn', 'syn-ack', 'ack'] as const)(
    'flaw 4: no flipped bit of the %s leads to AUTH',
    async kind => {
      const { network, client, server } = await twoHosts()
      let bit = 0
      let length = 8
      network.tamper = bytes => {
        if (kindOf(bytes) !== kind) return straight(bytes, 0)
        const packet = parsed(bytes)
        length = packet.payloadLength
        const flipped = packet.data
        flipped[packet.payloadOffset + (bit >> 3)]! ^= 1 << (bit & 7)
        return straight(readdressed(flipped, {}), 0)
      }
      for (bit = 0; bit < length * 8; bit++) {
        const end = { ...CLIENT, port: 20_000 + bit }
        client.ports.set(end.port, 'frontend')
        const socket = client.tcp.connect(end, SERVER)
        network.run(4)
        expect(stateAt(server, end), `bit ${bit}`).not.toMatch(/auth|acl/)
        if (kind !== 'ack') expect(stateAt(client, end), `bit ${bit}`).toBe('handshake')
        socket.abort()
        network.run(2)
      }
      expect(length).toBeGreaterThan(30)
      expect(server.tcp.accepted.filter(peer => peer.isEstablished)).toEqual([])
      expect(server.records.filter(record => record.verdict === 'accept')).toEqual([])
      expect(server.tcp.violations).toEqual([])
      network.tamper = straight
      expect(client.tcp.connect(CLIENT, SERVER).state).toBe('syn-sent')
      network.run(10)
      expect(stateAt(server)).toBe('auth')
    },
    60_000,
  )

  it('flaw 4: a SYN-ACK or ACK of another connection of the same two PUs', async () => {
    const { network, client, server, ack, synAck } = await halfOpen()
    const other = { ...CLIENT, port: 41_000 }
    client.ports.set(other.port, 'frontend')
    network.tamper = losing('syn-ack', 'ack')
    const socket = client.tcp.connect(other, SERVER)
    network.run(5)
    const [syn2, synAck2] = [
      parsed(network.sent.findLast(bytes => kindOf(bytes) === 'syn')!),
      parsed(network.sent.findLast(bytes => kindOf(bytes) === 'syn-ack')!),
    ]
    const stolen = {
      options: ['overlay'] as const,
      acknowledgement: syn2.sequence + 1,
      flags: ['SYN', 'ACK'] as const,
    }
    const down = {
      source: SERVER.address,
      sourcePort: 8080,
      destination: other.address,
      destinationPort: other.port,
    }
    network.inject(
      tcpPacket({ ...down, ...stolen, sequence: synAck2.sequence, payload: parsed(synAck).payload() }),
    )
    expect(socket.state).toBe('syn-sent')
    expect(client.counters('frontend')['drop.mac']).toBe(1)
    const numbers = { sequence: syn2.sequence + 1, acknowledgement: synAck2.sequence + 1 }
    network.inject(
      forged({
        ...numbers,
        sourcePort: other.port,
        flags: ['ACK'],
        options: ['overlay'],
        payload: parsed(ack).payload(),
      }),
    )
    expect(stateAt(server, other)).toBe('handshake')
    expect(server.counters('web')['drop.mac']).toBe(1)
  })
})
