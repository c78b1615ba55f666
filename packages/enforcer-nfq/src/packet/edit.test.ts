import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  buildOptions,
  describePacket,
  LINUX_SYN_OPTIONS,
  type TcpDescription,
  type TcpOption,
  tcpPacket,
} from '../testing/index.js'
import { attachOverlay, isPlain, stripOverlay, stripPayload } from './edit.js'
import { anyPacket, fuzzRuns, fuzzTimeoutMs, handshakePacket, isSound } from './packet-arbitraries.js'
import type { EditFault } from './seal.js'
import { TcpPacket } from './tcp-packet.js'

const SYN: TcpDescription = {
  source: '10.0.0.1',
  destination: '10.0.0.2',
  sourcePort: 40_000,
  destinationPort: 80,
  sequence: 1_000,
  flags: ['SYN'],
  options: LINUX_SYN_OPTIONS,
}
const V6_SYN: TcpDescription = { ...SYN, source: '2001:db8::1', destination: '2001:db8::2' }
const OVERLAY = new TextEncoder().encode('overlay')

function parse(bytes: Uint8Array): TcpPacket {
  const packet = new TcpPacket()
  expect(packet.parse(bytes, 0, bytes.length)).toBeUndefined()
  return packet
}

type Edit = (packet: TcpPacket, out: Uint8Array) => number | EditFault
const attach: Edit = (packet, out) => attachOverlay(packet, OVERLAY, out)

function edited(bytes: Uint8Array, edit: Edit): Uint8Array {
  const out = new Uint8Array(68 * 1_024).fill(0xa5)
  const length = edit(parse(bytes), out)
  if (typeof length === 'string') throw new Error(length)
  return out.slice(0, length)
}

function faultOf(description: TcpDescription, edit: Edit): number | EditFault {
  return edit(parse(tcpPacket(description)), new Uint8Array(68 * 1_024))
}

/** The bytes of the options that nothing removes, unaligned. */
function leastOptionsLength(options: readonly TcpOption[]): number {
  const lengths = options.map(option => {
    if (option === 'nop' || option === 'eol') return 0
    if (typeof option === 'object' && ('fastOpen' in option || 'mptcp' in option)) return 0
    if (typeof option === 'object' && 'experiment' in option && option.experiment === 0xf989) return 0
    return buildOptions([option])[1]!
  })
  return lengths.reduce((sum, length) => sum + length, 0)
}

function optionsOf(bytes: Uint8Array): string {
  return /\[([^\]]*)\] payload/.exec(describePacket(bytes))?.[1] ?? ''
}

describe('attachOverlay', () => {
  it('writes the golden bytes over IPv4', () => {
    expect(Buffer.from(edited(tcpPacket(SYN), attach)).toString('hex')).toBe(
      '4500004700014000400626ae0a0000010a0000029c400050000003e800000000b002faf077c10000020405b40402080a010203040000000001030307fe0454726f7665726c6179',
    )
  })

  it('writes the golden bytes over IPv6', () => {
    expect(Buffer.from(edited(tcpPacket(V6_SYN), attach)).toString('hex')).toBe(
      '600000000033064020010db800000000000000000000000120010db80000000000000000000000029c400050000003e800000000b002faf0304f0000020405b40402080a010203040000000001030307fe0454726f7665726c6179',
    )
  })

  it(
    'is undone byte by byte by stripOverlay where nothing had to go',
    () => {
      fc.assert(
        fc.property(handshakePacket, description => {
          const bytes = tcpPacket(description)
          const attached = edited(bytes, attach)
          expect(isSound(attached)).toBe(true)
          expect(parse(attached)).toMatchObject({ hasOverlayOption: true, payloadLength: OVERLAY.length })
          expect(Buffer.from(edited(attached, stripOverlay))).toEqual(Buffer.from(bytes))
        }),
        { numRuns: fuzzRuns },
      )
    },
    fuzzTimeoutMs,
  )

  it(
    'gives up padding, Fast Open and MPTCP only, and keeps the others in order',
    () => {
      const mayGo = /^(nop|eol|fast-open|mptcp|overlay)$/
      const kept = (text: string) => text.split(', ').filter(option => option !== '' && !mayGo.test(option))
      fc.assert(
        fc.property(anyPacket, description => {
          const bytes = tcpPacket(description)
          const packet = parse(bytes)
          const out = new Uint8Array(68 * 1_024)
          const length = attachOverlay(packet, OVERLAY, out)
          const options = kept(optionsOf(bytes))
          expect(length === 'options').toBe(leastOptionsLength(description.options ?? []) > 36)
          if (typeof length === 'string') return
          const attached = out.slice(0, length)
          expect(isSound(attached)).toBe(true)
          expect(kept(optionsOf(attached))).toEqual(options)
          expect(Buffer.from(parse(attached).payload())).toEqual(Buffer.from(OVERLAY))
          if (packet.hasSyn) expect(parse(attached).hasFastOpenOption).toBe(false)
          expect(kept(optionsOf(edited(attached, stripOverlay)))).toEqual(options)
        }),
        { numRuns: fuzzRuns },
      )
    },
    fuzzTimeoutMs,
  )

  it('puts our option before the end of the list, not behind it', () => {
    const bytes = tcpPacket({ ...SYN, options: [{ mss: 1460 }, 'eol', { raw: [0, 0, 0] }] })
    expect(optionsOf(edited(bytes, attach))).toBe('mss 1460, overlay, eol')
    expect(edited(edited(bytes, attach), stripOverlay)).toEqual(bytes)
  })

  it('takes Fast Open out of a SYN and its payload with it', () => {
    for (const fastOpen of [
      { fastOpen: new Uint8Array(8) },
      { experiment: 0xf989, data: new Uint8Array(4) },
    ]) {
      const bytes = tcpPacket({ ...SYN, options: [{ mss: 1460 }, fastOpen], payload: 'early data' })
      const attached = edited(bytes, attach)
      expect(optionsOf(attached)).toMatch(/^mss 1460, (nop, nop, )?overlay(, nop, nop)?$/)
      expect(Buffer.from(parse(attached).payload()).toString()).toBe('overlay')
    }
  })

  const timestamps: TcpOption = { timestamps: [1, 2] }
  const twoBlocks: TcpOption = {
    sack: [
      [1, 2],
      [3, 4],
    ],
  } // 18 bytes
  it.each<[string, readonly TcpOption[], string]>([
    [
      'padding first',
      ['nop', 'nop', timestamps, 'nop', 'nop', twoBlocks, { raw: [77, 6, 1, 1, 1, 1] }, 'eol'],
      'ts 1 2, sack, kind 77, overlay, nop, nop',
    ],
    [
      'then Fast Open',
      [twoBlocks, timestamps, { fastOpen: new Uint8Array(8) }, 'nop', 'nop'],
      'sack, ts 1 2, overlay',
    ],
    [
      'then MPTCP',
      [timestamps, { mptcp: new Uint8Array(18) }, { raw: [77, 10, 0, 0, 0, 0, 0, 0, 0, 0] }],
      'ts 1 2, kind 77, overlay',
    ],
  ])('makes room: %s', (_name, options, expected) => {
    const bytes = tcpPacket({ ...SYN, flags: ['ACK'], options })
    expect(optionsOf(edited(bytes, attach))).toBe(expected)
  })

  it('refuses where nothing can be given up', () => {
    const three: TcpOption = {
      sack: [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
    }
    const options = [three, timestamps, { windowScale: 7 }] as const
    expect(faultOf({ ...SYN, flags: ['ACK'], options }, attach)).toBe('options')
  })

  it('lets a FIN go with the payload before it, and keeps one without payload', () => {
    const fin: TcpDescription = { ...SYN, flags: ['FIN', 'PSH', 'ACK'] }
    expect(describePacket(edited(tcpPacket({ ...fin, payload: 'data' }), attach))).toMatch(/^PSH ACK /)
    expect(describePacket(edited(tcpPacket(fin), attach))).toMatch(/^FIN PSH ACK /)
    expect(describePacket(edited(edited(tcpPacket(fin), attach), stripOverlay))).toMatch(/^FIN PSH ACK /)
  })

  it('refuses a second overlay, an IP packet over 64 KiB and a buffer too small', () => {
    expect(faultOf({ ...SYN, options: ['overlay'] }, attach)).toBe('overlay-option')
    const huge = new Uint8Array(65_535 - 20 - 44 + 1)
    expect(faultOf(SYN, (packet, out) => attachOverlay(packet, huge, out))).toBe('too-long')
    expect(faultOf(SYN, (packet, out) => attachOverlay(packet, huge.subarray(1), out))).toBe(65_535)
    for (let size = 0; size < 71; size += 1) {
      expect(attach(parse(tcpPacket(SYN)), new Uint8Array(size))).toBe('too-long')
    }
  })

  it('does not build on a checksum that is yet to be filled in', () => {
    expect(edited(tcpPacket({ ...SYN, tcpChecksum: 0x1433 }), attach)).toEqual(edited(tcpPacket(SYN), attach))
  })
})

describe('stripOverlay', () => {
  it('removes exactly our option, wherever it stands', () => {
    const options: TcpOption[] = [
      { mss: 1460 },
      'overlay',
      { experiment: 0x1234 },
      timestampsOption(),
      'nop',
      'nop',
    ]
    const stripped = edited(tcpPacket({ ...SYN, options, payload: 'overlay' }), stripOverlay)
    expect(optionsOf(stripped)).toBe('mss 1460, kind 254, ts 1 2, nop, nop')
    expect(parse(stripped)).toMatchObject({ payloadLength: 0, hasOverlayOption: false })
  })

  it(
    'lets no SYN or SYN-ACK keep payload or Fast Open, with or without our option',
    () => {
      fc.assert(
        fc.property(anyPacket, description => {
          const stripped = parse(edited(tcpPacket(description), stripOverlay))
          expect(stripped.payloadLength).toBe(0)
          expect(isPlain(stripped)).toBe(true)
        }),
        { numRuns: fuzzRuns },
      )
    },
    fuzzTimeoutMs,
  )

  function timestampsOption(): TcpOption {
    return { timestamps: [1, 2] }
  }
})

describe('stripPayload', () => {
  it('leaves the option list alone and the FIN out', () => {
    const bytes = tcpPacket({
      ...SYN,
      flags: ['FIN', 'ACK'],
      options: [{ mss: 1 }, 'overlay'],
      payload: 'data',
    })
    expect(describePacket(edited(bytes, stripPayload))).toMatch(/^ACK .* \[mss 1, overlay\] payload 0$/)
  })
})

describe('isPlain', () => {
  it.each<[boolean, Partial<TcpDescription>]>([
    [true, {}],
    [false, { payload: 'early data' }],
    [false, { options: [{ fastOpen: new Uint8Array(0) }] }],
    [false, { options: ['overlay'] }],
    [true, { flags: ['ACK'], payload: 'data' }],
    [false, { flags: ['ACK'], options: ['overlay'] }],
  ])('%s for %o', (expected, part) => {
    expect(isPlain(parse(tcpPacket({ ...SYN, ...part })))).toBe(expected)
  })
})
