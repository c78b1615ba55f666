import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tcpPacket } from '../testing/index.js'
import { attachOverlay, stripOverlay, stripPayload } from './edit.js'
import { anyPacket, FLAG_NAMES, fuzzRuns, fuzzTimeoutMs, isSound, surround } from './packet-arbitraries.js'
import { rewriteSynAckToLateReset, rewriteToReset, writeReset } from './reset.js'
import { TcpPacket } from './tcp-packet.js'

const packet = new TcpPacket()
const out = new Uint8Array(68 * 1_024)
const overlay = new Uint8Array(40).fill(0x77)

/** All that can be learnt from bytes in the middle of a poisoned buffer, offsets made relative. */
function learn(bytes: Uint8Array, poison: number): unknown {
  const { data, offset } = surround(bytes, poison)
  const fault = packet.parse(data, offset, bytes.length)
  if (fault !== undefined) return fault
  const { ipOffset, tcpOffset, optionsOffset, optionsEnd, payloadOffset, packetEnd } = packet
  const offsets = [
    ipOffset,
    tcpOffset,
    optionsOffset,
    optionsEnd,
    payloadOffset,
    packetEnd,
    offset + bytes.length,
  ]
  expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
  const {
    overlayOptionOffset,
    hasOverlayOption,
    hasFastOpenOption,
    sequence,
    acknowledgement,
    flags,
    window,
  } = packet
  const facts = [
    overlayOptionOffset,
    hasOverlayOption,
    hasFastOpenOption,
    sequence,
    acknowledgement,
    flags,
    window,
  ]
  return [offsets, facts, packet.flowKey(), packet.reverseFlowKey(), edits()]
}

/** What each edit makes of the packet; each a fault, or a sound packet that parses. */
function edits(): unknown[] {
  const lengths = [
    () => attachOverlay(packet, overlay, out),
    () => stripOverlay(packet, out),
    () => stripPayload(packet, out),
    () => rewriteToReset(packet, out),
    () => rewriteSynAckToLateReset(packet, out),
    () => writeReset(packet, out, true),
  ]
  return lengths.map(edit => {
    const length = edit()
    if (typeof length === 'string') return length
    const result = out.slice(0, length)
    expect(isSound(result)).toBe(true)
    expect(new TcpPacket().parse(result, 0, length)).toBeUndefined()
    return Buffer.from(result).toString('hex')
  })
}

function expectTotal(bytes: Uint8Array): void {
  const learnt = learn(bytes, 0x00)
  expect(learn(bytes, 0xff)).toEqual(learnt)
  expect(learn(bytes, 0x45)).toEqual(learnt)
}

describe('whatever the bytes are, nothing is thrown and nothing outside them counts', () => {
  it(
    'arbitrary bytes',
    () => {
      const version = fc.constantFrom(0x45, 0x46, 0x4f, 0x60)
      const bytes = fc.tuple(version, fc.uint8Array({ maxLength: 140 })).map(([first, rest]) => {
        if (rest.length > 0) rest[0] = first
        return rest
      })
      fc.assert(fc.property(bytes, expectTotal), { numRuns: fuzzRuns })
    },
    fuzzTimeoutMs,
  )

  it(
    'well-formed packets with some bytes changed and some cut off',
    () => {
      const change = fc.tuple(fc.nat(120), fc.integer({ min: 0, max: 255 }))
      const changes = fc.tuple(anyPacket, fc.array(change, { maxLength: 4 }), fc.nat(3))
      fc.assert(
        fc.property(changes, ([description, patches, cut]) => {
          const bytes = tcpPacket(description)
          for (const [at, value] of patches) if (at < bytes.length) bytes[at] = value
          expectTotal(bytes.subarray(0, bytes.length - cut))
        }),
        { numRuns: fuzzRuns },
      )
    },
    fuzzTimeoutMs,
  )

  it(
    'the generator makes what it is told, and the parser reads it',
    () => {
      fc.assert(
        fc.property(anyPacket, description => {
          const bytes = tcpPacket(description)
          expect(isSound(bytes)).toBe(true)
          expect(packet.parse(bytes, 0, bytes.length)).toBeUndefined()
          const { sourcePort, destinationPort, sequence, acknowledgement, window } = packet
          expect(description).toMatchObject({
            sourcePort,
            destinationPort,
            sequence,
            acknowledgement,
            window,
          })
          expect(FLAG_NAMES.filter((_, bit) => (packet.flags >> bit) & 1)).toEqual(description.flags)
          expect(Buffer.from(packet.payload())).toEqual(Buffer.from(description.payload as Uint8Array))
        }),
        { numRuns: fuzzRuns },
      )
    },
    fuzzTimeoutMs,
  )
})
