import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  NF_ACCEPT,
  NF_DROP,
  NF_INET_LOCAL_OUT,
  type PacketQueue,
  type PacketQueueOptions,
  type QueuedPacket,
} from './queue.js'

/** A world in which IPv4 UDP datagrams without options are queued on their way out. */
export interface QueueHarness {
  /** Two queue numbers that packets can be sent to. */
  readonly queues: readonly [number, number]
  open(options: Omit<PacketQueueOptions, 'netns'>): PacketQueue
  /** Sends one datagram with this text through that queue number. */
  send(queue: number, text: string): void
  /** Texts of the datagrams that came through, in order. */
  delivered(): readonly string[]
  close(): void | Promise<void>
}

/** The text of the datagram in a queued packet: behind 20 bytes of IPv4 and 8 of UDP. */
export function textOf({ data, offset, length }: QueuedPacket): string {
  return new TextDecoder().decode(data.subarray(offset + 28, offset + length))
}

/** What holds for every PacketQueue; it runs over the in-memory twin and over the kernel. */
export function describePacketQueue(name: string, setup: () => QueueHarness | Promise<QueueHarness>): void {
  describe(name, () => {
    let harness: QueueHarness
    let first: number
    let second: number
    let queue: PacketQueue | undefined
    let errors: unknown[]

    const open = (onPacket: PacketQueueOptions['onPacket']): PacketQueue => {
      queue = harness.open({ onPacket, onError: error => errors.push(error) })
      return queue
    }
    const eventually = (read: () => unknown) => expect.poll(read, { timeout: 5_000, interval: 5 })

    beforeEach(async () => {
      errors = []
      harness = await setup()
      ;[first, second] = harness.queues
    })
    afterEach(async () => {
      queue?.close()
      await harness.close()
    })

    it('hands over whole packets with their hook and lets them go on', async () => {
      const seen: unknown[] = []
      const q = open(packet => {
        const { queue, id, hook, mark, isTruncated, isGso } = packet
        const version = packet.data[packet.offset]
        seen.push({ queue, id, hook, mark, isTruncated, isGso, version, text: textOf(packet) })
        q.verdict(queue, id, NF_ACCEPT)
      })
      q.bind(first)
      harness.send(first, 'hello')
      await eventually(() => harness.delivered()).toEqual(['hello'])
      const base = { mark: 0, isTruncated: false, isGso: false, version: 0x45 }
      expect(seen).toEqual([{ queue: first, id: 1, hook: NF_INET_LOCAL_OUT, text: 'hello', ...base }])
      expect(q.stats()).toMatchObject({ received: 1, verdicts: 1, verdictErrors: 0, truncated: 0 })
      expect(errors).toEqual([])
    })

    it('drops what it is told to drop', async () => {
      const q = open(packet =>
        q.verdict(packet.queue, packet.id, textOf(packet) === 'no' ? NF_DROP : NF_ACCEPT),
      )
      q.bind(first)
      for (const text of ['no', 'yes']) harness.send(first, text)
      await eventually(() => harness.delivered()).toEqual(['yes'])
      expect(q.stats()).toMatchObject({ received: 2, verdicts: 2, verdictErrors: 0 })
    })

    it('replaces a packet', async () => {
      const q = open(packet => {
        const copy = packet.data.slice(packet.offset, packet.offset + packet.length + 3)
        copy.fill(0, 26, 28) // no UDP checksum (RFC 768)
        copy[28] = 'J'.charCodeAt(0)
        q.verdict(packet.queue, packet.id, NF_ACCEPT, undefined, copy, packet.length)
      })
      q.bind(first)
      harness.send(first, 'hello')
      await eventually(() => harness.delivered()).toEqual(['Jello'])
    })

    it('holds a packet without a verdict until it gets one', async () => {
      const held: number[] = []
      const q = open(packet => {
        if (textOf(packet) === 'later') held.push(packet.id)
        else q.verdict(packet.queue, packet.id, NF_ACCEPT)
      })
      q.bind(first)
      for (const text of ['later', 'now']) harness.send(first, text)
      await eventually(() => harness.delivered()).toEqual(['now'])
      q.verdict(first, held[0]!, NF_ACCEPT)
      await eventually(() => harness.delivered()).toEqual(['now', 'later'])
    })

    it('drops the packet of a throw, reports it and goes on', async () => {
      const q = open(packet => {
        if (textOf(packet) === 'bad') throw new Error('bug')
        q.verdict(packet.queue, packet.id, NF_ACCEPT)
      })
      q.bind(first)
      for (const text of ['bad', 'good']) harness.send(first, text)
      await eventually(() => harness.delivered()).toEqual(['good'])
      expect(errors).toEqual([new Error('bug')])
      expect(q.stats()).toMatchObject({ received: 2, verdicts: 2, handlerErrors: 1, verdictErrors: 0 })
    })

    it('keeps a verdict that was given before the throw', async () => {
      const q = open(packet => {
        q.verdict(packet.queue, packet.id, NF_ACCEPT)
        throw new Error('bug')
      })
      q.bind(first)
      harness.send(first, 'decided')
      await eventually(() => harness.delivered()).toEqual(['decided'])
      expect(q.stats()).toMatchObject({ verdicts: 1, handlerErrors: 1 })
    })

    it('counts and reports verdicts nobody waits for', async () => {
      const q = open(() => {})
      q.bind(first)
      q.verdict(first, 77, NF_ACCEPT)
      q.verdict(second, 78, NF_ACCEPT)
      await eventually(() => q.stats().verdictErrors).toBe(2)
      const op = 'NFQNL_MSG_VERDICT'
      expect(errors).toMatchObject([
        { op, errno: 'ENOENT', detail: 'packet 77' },
        { op, errno: 'ENODEV', detail: 'packet 78' },
      ])
    })

    it('serves several queues, each with ids of its own', async () => {
      const seen: [number, number][] = []
      const q = open(packet => {
        seen.push([packet.queue, packet.id])
        q.verdict(packet.queue, packet.id, NF_ACCEPT)
      })
      q.bind(first)
      q.bind(second)
      harness.send(first, 'a')
      await eventually(() => harness.delivered()).toEqual(['a'])
      harness.send(second, 'b')
      await eventually(() => harness.delivered()).toEqual(['a', 'b'])
      expect(seen).toEqual([
        [first, 1],
        [second, 1],
      ])
    })

    it('refuses to bind twice, to unbind what is not bound, and numbers out of range', () => {
      const q = open(() => {})
      q.bind(first)
      expect(() => q.bind(first)).toThrow(
        expect.objectContaining({ op: 'NFQNL_CFG_CMD_BIND', errno: 'EBUSY' }),
      )
      expect(() => q.unbind(second)).toThrow(expect.objectContaining({ errno: 'ENODEV' }))
      expect(() => q.bind(0x10000)).toThrow(RangeError)
      expect(() => q.verdict(first, 1, NF_ACCEPT, 0, new Uint8Array(20), 21)).toThrow(RangeError)
    })

    it('starts its ids again when a number is bound again', async () => {
      const ids: number[] = []
      const q = open(packet => {
        ids.push(packet.id)
        q.verdict(packet.queue, packet.id, NF_ACCEPT)
      })
      for (const text of ['one', 'two']) {
        q.bind(first)
        harness.send(first, text)
        await eventually(() => harness.delivered()).toContain(text)
        q.unbind(first)
      }
      expect(ids).toEqual([1, 1])
    })

    it('closes twice, and during a packet', async () => {
      let received = 0
      const q = open(packet => {
        received++
        q.verdict(packet.queue, packet.id, NF_ACCEPT)
        q.close()
        q.verdict(packet.queue, packet.id, NF_DROP)
      })
      q.bind(first)
      harness.send(first, 'last')
      await eventually(() => harness.delivered()).toEqual(['last'])
      q.close()
      q.verdict(first, 1, NF_DROP)
      expect(received).toBe(1)
      expect(q.stats()).toMatchObject({ received: 1, verdicts: 1 })
      expect(() => q.bind(second)).toThrow(expect.objectContaining({ errno: 'EBADF' }))
    })
  })
}
