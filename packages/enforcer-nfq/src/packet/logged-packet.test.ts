import { formatAddress } from '@trireme/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildIp } from '../testing/build-ip.js'
import { readEnds } from './logged-packet.js'

const IPV4 = { source: '192.0.2.1', destination: '192.0.2.2' }
const IPV6 = { source: '2001:db8::1', destination: '2001:db8::2' }

function ends(description: Parameters<typeof buildIp>[0], protocol: number, isCut = false) {
  const { bytes, segmentStart } = buildIp(description, protocol, 8)
  bytes.set([0x9c, 0x40, 0x00, 0x35], segmentStart)
  const padded = new Uint8Array([9, 9, ...bytes])
  const read = readEnds(padded, 2, isCut ? segmentStart + 2 : bytes.length)
  return read && { ...read, source: formatAddress(read.source), destination: formatAddress(read.destination) }
}

describe('the ends of a logged packet', () => {
  it.each([
    [IPV4, 17, { protocol: 'udp', sourcePort: 40_000, destinationPort: 53 }],
    [IPV6, 6, { protocol: 'tcp', sourcePort: 40_000, destinationPort: 53 }],
    [IPV4, 1, { protocol: 'icmp', sourcePort: 0, destinationPort: 0 }],
    [IPV6, 58, { protocol: 'icmp', sourcePort: 0, destinationPort: 0 }],
    [IPV4, 132, { protocol: 'other', sourcePort: 0, destinationPort: 0 }],
  ])('%j, protocol %i', (addresses, protocol, expected) => {
    expect(ends(addresses, protocol)).toEqual({ ...addresses, ...expected })
  })

  it('lie behind options and extension headers', () => {
    const udp = { protocol: 'udp', sourcePort: 40_000, destinationPort: 53 }
    expect(ends({ ...IPV4, ipOptions: Uint8Array.of(148, 4, 0, 0) }, 17)).toMatchObject(udp)
    const extensionHeaders = [{ kind: 60, body: new Uint8Array(6) }]
    expect(ends({ ...IPV6, extensionHeaders }, 17)).toMatchObject(udp)
  })

  it('have no ports where the packet was cut before them', () => {
    expect(ends(IPV4, 17, true)).toMatchObject({ protocol: 'udp', sourcePort: 0, destinationPort: 0 })
  })

  it('are read of any bytes without a throw, and of none but IP', () => {
    expect(readEnds(Uint8Array.of(0x45, 0), 0, 2)).toBeUndefined()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat({ max: 120 }), (bytes, length) => {
        const read = readEnds(bytes, 0, Math.min(length, bytes.length))
        if (read) expect(read.source.length + read.destination.length).toBe(32)
      }),
    )
  })
})
