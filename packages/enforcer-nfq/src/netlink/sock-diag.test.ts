import { formatAddress } from '@trireme/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dumpMessage } from './sock-diag.js'
import { parseSocketDetails } from './socket-details.js'

/** An answer of the kernel: 10.0.0.1:40000 to 10.0.0.2:80 with class 1:1 and cgroup 0x1234, then the same over IPv6. */
function answer(seq: number): Uint8Array {
  const one = (family: number, local: string, peer: string) => {
    const body = Buffer.alloc(72)
    body.writeUInt8(family, 0)
    body.writeUInt8(1, 1)
    body.writeUInt16BE(40_000, 4)
    body.writeUInt16BE(80, 6)
    body.set(Buffer.from(local, 'hex'), 8)
    body.set(Buffer.from(peer, 'hex'), 24)
    body.writeUInt32LE(3, 40)
    body.writeBigUInt64LE(0x99n, 44)
    body.writeUInt32LE(1000, 64)
    body.writeUInt32LE(4711, 68)
    const attributes = Buffer.alloc(20)
    attributes.writeUInt16LE(8, 0)
    attributes.writeUInt16LE(17, 2)
    attributes.writeUInt32LE(0x10001, 4)
    attributes.writeUInt16LE(12, 8)
    attributes.writeUInt16LE(21, 10)
    attributes.writeBigUInt64LE(0x1234n, 12)
    const header = Buffer.alloc(16)
    header.writeUInt32LE(16 + 72 + 20, 0)
    header.writeUInt16LE(20, 4)
    header.writeUInt32LE(seq, 8)
    return Buffer.concat([header, body, attributes])
  }
  return Buffer.concat([
    one(2, '0a000001', '0a000002'),
    one(10, `fd${'00'.repeat(14)}01`, `fd${'00'.repeat(14)}02`),
  ])
}

describe('the socket monitor', () => {
  it('is asked for connected TCP sockets, not for those that listen, open or wait', () => {
    expect(Buffer.from(dumpMessage(2, 7)).toString('hex')).toBe(
      `480000001400010307000000000000000206${'20'}00${'320b0000'}${'00'.repeat(48)}`,
    )
  })

  it('answers with both ends, class, cgroup and cookie', () => {
    const sockets = parseSocketDetails(answer(7), 7).map(({ localAddress, peerAddress, ...rest }) => ({
      ends: [formatAddress(localAddress), formatAddress(peerAddress)],
      ...rest,
    }))
    const whose = { cgroupID: 0x1234n, classID: 0x10001, uid: 1000, inode: 4711, cookie: 0x99n }
    const rest = { state: 1, localPort: 40_000, peerPort: 80, interfaceIndex: 3, ...whose }
    expect(sockets).toEqual([
      { family: 2, ends: ['10.0.0.1', '10.0.0.2'], ...rest },
      { family: 10, ends: ['fd00::1', 'fd00::2'], ...rest },
    ])
  })

  it('is believed only where it answers', () => {
    expect(parseSocketDetails(answer(7), 8)).toEqual([])
  })

  it('never makes the reader throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 212 }), (noise, cut) => {
        parseSocketDetails(noise, 0)
        parseSocketDetails(answer(7).subarray(0, cut), 7)
        const flipped = answer(7)
        flipped.set(noise.subarray(0, 4), cut)
        parseSocketDetails(flipped, 7)
      }),
    )
  })
})
