import { parseAddress } from '@trireme/core'
import { testRuntime } from '@trireme/core/testing'
import { describe, expect, it } from 'vitest'
import { Adoption, socketsOf } from './adoption.js'
import { cgroup2Mount } from './cgroup-ids.js'
import type { ConnectedSocket } from './netlink/sock-diag.js'
import { TcpPacket } from './packet/tcp-packet.js'
import { tcpPacket } from './testing/index.js'

function socket(change: Partial<ConnectedSocket> = {}): ConnectedSocket {
  return {
    localAddress: parseAddress('10.0.0.1'),
    localPort: 8080,
    peerAddress: parseAddress('10.0.0.2'),
    peerPort: 40_000,
    cgroupID: undefined,
    classID: 0,
    uid: 0,
    ...change,
  }
}

function segment(
  source: string,
  sourcePort: number,
  destination: string,
  destinationPort: number,
): TcpPacket {
  const bytes = tcpPacket({ source, sourcePort, destination, destinationPort, flags: ['ACK'] })
  const packet = new TcpPacket()
  packet.parse(bytes, 0, bytes.length)
  return packet
}

describe('adoption', () => {
  const leaving = () => segment('10.0.0.1', 8080, '10.0.0.2', 40_000)
  const arriving = () => segment('10.0.0.2', 40_000, '10.0.0.1', 8080)

  it('takes each connection once, from either side, with the segments that were in flight', () => {
    const adoption = new Adoption([socket()])
    expect(adoption.take(leaving(), 'app', 5000)).toBe('first')
    expect(adoption.take(leaving(), 'app', 5000)).toBe('more')
    expect(adoption.take(arriving(), 'net', 5999)).toBe('more')
    expect(adoption.take(leaving(), 'app', 6000)).toBeUndefined()
    expect(new Adoption([socket()]).take(arriving(), 'net', 0)).toBe('first')
  })

  it('takes no other: another port, or a packet that goes the wrong way', () => {
    const adoption = new Adoption([socket()])
    expect(adoption.take(segment('10.0.0.2', 40_001, '10.0.0.1', 8080), 'net', 0)).toBeUndefined()
    expect(adoption.take(arriving(), 'app', 0)).toBeUndefined()
    expect(adoption.take(leaving(), 'net', 0)).toBeUndefined()
    expect(adoption.size).toBe(1)
  })

  it('gives up those that still wait when their time is over', () => {
    const adoption = new Adoption([socket(), socket({ localPort: 8081 })], 60_000)
    expect(adoption.take(leaving(), 'app', 59_999)).toBe('first')
    expect(adoption.take(segment('10.0.0.1', 8081, '10.0.0.2', 40_000), 'app', 60_000)).toBeUndefined()
    expect(adoption.take(leaving(), 'app', 60_001)).toBe('more')
  })

  it('counts a connection within the namespace once', () => {
    const other = { localAddress: socket().peerAddress, localPort: 40_000 }
    const back = { ...other, peerAddress: socket().localAddress, peerPort: 8080 }
    const adoption = new Adoption([socket(), socket(back)])
    expect(adoption.take(leaving(), 'app', 0)).toBe('first')
    expect(adoption.size).toBe(0)
    expect(adoption.take(arriving(), 'app', 1)).toBe('more')
  })
})

describe('the sockets of a PU', () => {
  const sockets = [socket(), socket({ localPort: 9, classID: 7 }), socket({ localPort: 10 })]

  it('are all of its namespace, or those of its class and its ports', () => {
    const netns = { by: 'netns', path: '/run/netns/x' } as const
    expect(socketsOf(testRuntime({ isolation: netns }), sockets)).toEqual(sockets)
    const ports = [{ first: 8080, last: 8081 }]
    const isolation = { by: 'net-cls', classID: 7 } as const
    expect(socketsOf(testRuntime({ isolation, ports }), sockets)).toEqual(sockets.slice(0, 2))
  })

  it('are those of its user, or those on its ports alone', () => {
    const ports = [{ first: 10, last: 10 }]
    const ofUser = [...sockets, socket({ localPort: 11, uid: 1000 })]
    const owner = { by: 'owner', uid: 1000 } as const
    expect(socketsOf(testRuntime({ isolation: owner, ports }), ofUser)).toEqual(ofUser.slice(2))
    expect(socketsOf(testRuntime({ isolation: { by: 'ports' }, ports }), ofUser)).toEqual([sockets[2]])
  })

  it('are only those on its ports where its cgroup is gone', () => {
    const isolation = { by: 'cgroup-path', path: 'no/such/cgroup' } as const
    expect(socketsOf(testRuntime({ isolation, ports: [] }), sockets)).toEqual([])
  })

  it('are looked for below the cgroup2 mount', () => {
    const mountinfo =
      '30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n' +
      '31 30 0:27 / /sys/fs/cgroup/uni\\040fied rw,nosuid shared:9 - cgroup2 cgroup2 rw\n'
    expect(cgroup2Mount(mountinfo)).toBe('/sys/fs/cgroup/uni fied')
    expect(cgroup2Mount('')).toBeUndefined()
  })
})
