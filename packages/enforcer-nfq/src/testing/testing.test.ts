import { describe, expect, it } from 'vitest'
import { isSound } from '../packet/packet-arbitraries.js'
import { addressBytes, describePacket, icmpPacket, tcpHandshake, tcpPacket, udpPacket } from './index.js'

const CLIENT = { address: '10.0.0.1', port: 40_000 }
const SERVER = { address: '10.0.0.2', port: 80 }

describe('tcpHandshake', () => {
  it('gives the packets of a connection in order, with numbers that follow', () => {
    const data = [
      { from: 'client', payload: 'ping' },
      { from: 'server', payload: 'pong!' },
    ] as const
    const flow = tcpHandshake({ client: CLIENT, server: SERVER, data })
    const up = '10.0.0.1:40000 > 10.0.0.2:80'
    const down = '10.0.0.2:80 > 10.0.0.1:40000'
    const options = 'mss 1460, sack-permitted, ts 16909060 0, nop, wscale 7'
    expect(flow.packets.map(({ bytes }) => describePacket(bytes))).toEqual([
      `SYN ${up} seq 1000 ack 0 win 64240 [${options}] payload 0`,
      `SYN ACK ${down} seq 2000 ack 1001 win 64240 [${options}] payload 0`,
      `ACK ${up} seq 1001 ack 2001 win 64240 [] payload 0`,
      `PSH ACK ${up} seq 1001 ack 2001 win 64240 [] payload 4`,
      `ACK ${down} seq 2001 ack 1005 win 64240 [] payload 0`,
      `PSH ACK ${down} seq 2001 ack 1005 win 64240 [] payload 5`,
      `ACK ${up} seq 1005 ack 2006 win 64240 [] payload 0`,
    ])
    expect(flow.packets.map(({ step, from }) => `${from} ${step}`).slice(0, 4)).toEqual([
      'client syn',
      'server syn-ack',
      'client ack',
      'client data',
    ])
    expect(flow.packets.every(({ bytes }) => isSound(bytes))).toBe(true)
    expect([flow.syn, flow.synAck, flow.ack]).toEqual(flow.packets.slice(0, 3).map(({ bytes }) => bytes))
  })
})

describe('the generator', () => {
  const ends = { source: CLIENT.address, destination: SERVER.address, sourcePort: 1, destinationPort: 2 }

  it('states what it is told to state', () => {
    const bytes = tcpPacket({ ...ends, tcpChecksum: 0x1234, ipChecksum: 0x5678, dataOffset: 15 })
    expect([...bytes.subarray(36, 38), ...bytes.subarray(10, 12), bytes[32]]).toEqual([
      0x12, 0x34, 0x56, 0x78, 0xf0,
    ])
    expect(isSound(bytes)).toBe(false)
  })

  it('builds UDP and ICMP with right checksums', () => {
    expect(Buffer.from(udpPacket({ ...ends, payload: 'x' })).toString('hex', 20)).toBe('00010002000973d678')
    expect(Buffer.from(icmpPacket({ ...ends, type: 8 })).toString('hex', 20)).toBe('0800f7ff00000000')
    expect(describePacket(udpPacket(ends))).toBe('not-tcp (28 bytes)')
  })

  it('reads addresses and refuses what is none', () => {
    expect(addressBytes('::ffff:1.2.3.4')).toEqual(
      Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4),
    )
    expect(addressBytes('1:2:3:4:5:6:7:8')[15]).toBe(8)
    for (const text of ['', 'host', '1.2.3', 'fe80::1%eth0'])
      expect(() => addressBytes(text)).toThrow(TypeError)
    expect(() => tcpPacket({ ...ends, source: '::1' })).toThrow(TypeError)
  })
})
