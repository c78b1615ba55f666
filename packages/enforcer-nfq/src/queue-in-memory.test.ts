import { describe, expect, it } from 'vitest'
import { NF_ACCEPT, NF_INET_LOCAL_IN, NF_REPEAT } from './queue.js'
import { type InMemoryPacketQueue, openInMemoryPacketQueue } from './queue-in-memory.js'
import { describePacketQueue, textOf } from './queue-suite.js'

const textAt = 28

/** As much of an IPv4 UDP datagram as the suite looks at. */
function datagram(text: string): Uint8Array {
  const body = new TextEncoder().encode(text)
  const bytes = new Uint8Array(textAt + body.length)
  bytes[0] = 0x45
  bytes.set(body, textAt)
  return bytes
}

describePacketQueue('the packet queue in memory', () => {
  let queue: InMemoryPacketQueue | undefined
  const sent: { queue: number; id: number; text: string }[] = []
  return {
    queues: [1, 2],
    open: options => {
      queue = openInMemoryPacketQueue(options)
      return queue
    },
    send: (number, text) => {
      const id = queue?.inject({ queue: number, bytes: datagram(text) })
      if (id !== undefined) sent.push({ queue: number, id, text })
    },
    delivered: () => {
      const packets = [...sent]
      const accepted = (queue?.verdicts ?? []).filter(({ verdict }) => verdict === NF_ACCEPT)
      return accepted.map(verdict => {
        const at = packets.findIndex(packet => packet.queue === verdict.queue && packet.id === verdict.id)
        const [packet] = packets.splice(at, 1)
        return verdict.payload
          ? new TextDecoder().decode(verdict.payload.subarray(textAt))
          : (packet?.text ?? '')
      })
    },
    close: () => {},
  }
})

describe('the in-memory queue as a test sees it', () => {
  it('gives every field of an injected packet and records mark and payload of the verdict', () => {
    const seen: unknown[] = []
    const queue = openInMemoryPacketQueue({
      onError: () => {},
      onPacket: packet => {
        seen.push({ ...packet, data: textOf(packet), offset: 0 })
        queue.verdict(packet.queue, packet.id, NF_REPEAT, 0xee1e, packet.data.subarray(packet.offset), 20)
      },
    })
    queue.bind(7)
    const flags = {
      isLoopback: true,
      interfaceIndex: 1,
      isTruncated: true,
      isChecksumPartial: true,
      isGso: true,
    }
    const bytes = datagram('hi')
    const id = queue.inject({ queue: 7, hook: NF_INET_LOCAL_IN, mark: 5, bytes, ...flags })
    expect(seen).toEqual([{ queue: 7, id, hook: 1, mark: 5, data: 'hi', offset: 0, length: 30, ...flags }])
    const payload = bytes.slice(0, 20)
    expect(queue.verdicts).toEqual([{ queue: 7, id, verdict: NF_REPEAT, mark: 0xee1e, payload }])
    expect(queue.stats().truncated).toBe(1)
  })

  it('spoils a packet after onPacket, as the next batch would', () => {
    let kept: Uint8Array | undefined
    const queue = openInMemoryPacketQueue({ onError: () => {}, onPacket: packet => (kept = packet.data) })
    queue.bind(1)
    queue.inject({ queue: 1, bytes: datagram('secret') })
    expect(kept?.every(byte => byte === 0xdd)).toBe(true)
    expect(queue.held).toBe(1)
  })

  it('refuses packets for a number that is not bound', () => {
    const queue = openInMemoryPacketQueue({ onError: () => {}, onPacket: () => {} })
    expect(() => queue.inject({ queue: 3, bytes: datagram('x') })).toThrow('queue 3 is not bound')
  })
})
