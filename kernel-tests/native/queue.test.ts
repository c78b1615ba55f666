import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { takesConnectionMarks } from '../../packages/enforcer-nfq/src/netlink/connection-mark-probe.js'
import {
  NF_ACCEPT,
  NF_INET_LOCAL_IN,
  NF_REPEAT,
  openPacketQueue,
  type PacketQueue,
  type PacketQueueOptions,
} from '../../packages/enforcer-nfq/src/queue.js'
import { describePacketQueue, textOf } from '../../packages/enforcer-nfq/src/queue-suite.js'
import { Namespace } from './namespace.js'
import { reason, titled } from './requirements.js'

const CONFIG = '/proc/config.gz'
const first = 11
const second = 12
const eventually = (read: () => unknown) => expect.poll(read, { timeout: 10_000, interval: 10 })

describe.skipIf(reason)(titled('NFQUEUE'), () => {
  describePacketQueue('the packet queue of the kernel', async () => {
    const namespace = new Namespace()
    namespace.queueOutput(first, second)
    await namespace.startPeer()
    return {
      queues: [first, second],
      open: options => openPacketQueue({ ...options, netns: namespace.path }),
      send: (queue, text) => namespace.send(queue, text),
      delivered: () => namespace.received,
      close: () => namespace.remove(),
    }
  })

  it.skipIf(!existsSync(CONFIG))('knows whether the kernel takes connection marks with verdicts', () => {
    const config = gunzipSync(readFileSync(CONFIG)).toString()
    const expected = /^CONFIG_NETFILTER_NETLINK_GLUE_CT=y$/m.test(config)
    expect(takesConnectionMarks()).toBe(expected)
  })

  describe('beyond what the twin can show', () => {
    let namespace: Namespace
    let queues: PacketQueue[]
    let errors: unknown[]

    const open = (options: Partial<PacketQueueOptions> & Pick<PacketQueueOptions, 'onPacket'>) => {
      const onError = (error: unknown) => errors.push(error)
      const queue = openPacketQueue({ netns: namespace.path, onError, ...options })
      queues.push(queue)
      return queue
    }
    const openAccepting = (options: Partial<PacketQueueOptions> = {}) => {
      const queue = open({
        onPacket: packet => queue.verdict(packet.queue, packet.id, NF_ACCEPT),
        ...options,
      })
      return queue
    }

    beforeEach(() => {
      queues = []
      errors = []
      namespace = new Namespace()
    })
    afterEach(async () => {
      for (const queue of queues) queue.close()
      await namespace.remove()
    })

    it('sends a batch that is larger than its buffer in several pieces', async () => {
      namespace.queueOutput(first)
      await namespace.startPeer()
      const queue = open({
        onPacket: ({ queue: number, id, data, offset, length }) => {
          const copy = data.slice(offset, offset + length)
          copy.fill(0, 26, 28)
          copy[28] = 'y'.charCodeAt(0)
          queue.verdict(number, id, NF_ACCEPT, undefined, copy)
        },
      })
      queue.bind(first)
      namespace.burst(first, 36, 60_000)
      await eventually(() => namespace.received.length).toBe(36)
      expect(new Set(namespace.received)).toEqual(new Set(['yxxxxxxx...60000']))
      expect(queue.stats()).toMatchObject({ received: 36, verdicts: 36, verdictErrors: 0, truncated: 0 })
      expect(errors).toEqual([])
    })

    it('sets the mark that later hooks and other queues see', async () => {
      namespace.queueOutput(first, second)
      namespace.mangle(`-A INPUT -m mark --mark 0xee1eee1e -j NFQUEUE --queue-num ${second}`)
      await namespace.startPeer()
      const seen: unknown[] = []
      const queue = open({
        onPacket: packet => {
          if (packet.queue === second) seen.push([packet.hook, packet.mark, textOf(packet)])
          queue.verdict(packet.queue, packet.id, NF_ACCEPT, 0xee1eee1e)
        },
      })
      queue.bind(first)
      queue.bind(second)
      namespace.send(first, 'marked')
      await eventually(() => namespace.received).toEqual(['marked'])
      expect(seen).toEqual([[NF_INET_LOCAL_IN, 0xee1eee1e, 'marked']])
    })

    it('runs a packet through its hook again, marked', async () => {
      namespace.mangle('-A OUTPUT -m mark --mark 0x5 -j ACCEPT')
      namespace.queueOutput(first)
      await namespace.startPeer()
      const queue = open({ onPacket: ({ queue: number, id }) => queue.verdict(number, id, NF_REPEAT, 5) })
      queue.bind(first)
      namespace.send(first, 'again')
      await eventually(() => namespace.received).toEqual(['again'])
      expect(queue.stats().received).toBe(1)
    })

    it('holds no more than maxPackets and shows it in the table of queues', async () => {
      namespace.queueOutput(first)
      const queue = open({ onPacket: () => {}, maxPackets: 3 })
      queue.bind(first)
      namespace.burst(first, 5, 10)
      await eventually(() => queue.stats().received).toBe(3)
      const line = namespace.statistics(first)
      expect(line).toMatchObject({ queue: first, depth: 3, copyMode: 2, queueDropped: 2, userDropped: 0 })
    })

    it('survives an overrun of its receive buffer and counts it', async () => {
      namespace.queueOutput(first)
      await namespace.startPeer()
      const queue = openAccepting({ receiveBufferBytes: 4096 })
      queue.bind(first)
      namespace.burst(first, 200, 10)
      await eventually(() => namespace.received.length).toBeGreaterThan(0)
      const { overruns, received } = queue.stats()
      expect(overruns).toBeGreaterThan(0)
      expect(overruns + received).toBe(200)
      expect(namespace.statistics(first)?.userDropped).toBe(overruns)
      namespace.send(first, 'after')
      await eventually(() => namespace.received).toContain('after')
      queue.close()
      expect(queue.stats().overruns).toBe(overruns)
    })

    it('keeps packets that arrive while another number is bound', async () => {
      namespace.queueOutput(first, second)
      await namespace.startPeer()
      const queue = openAccepting()
      queue.bind(first)
      namespace.burst(first, 20, 10)
      queue.bind(second)
      expect(queue.stats().received).toBe(0)
      await eventually(() => namespace.received.length).toBe(20)
      expect(queue.stats()).toMatchObject({ received: 20, verdicts: 20, verdictErrors: 0 })
    })

    it('gives EPERM to a second socket until the first has closed', () => {
      const owner = openAccepting()
      owner.bind(first)
      const other = openAccepting()
      const refusal = { name: 'KernelError', op: 'NFQNL_CFG_CMD_BIND', errno: 'EPERM' }
      expect(() => other.bind(first)).toThrow(expect.objectContaining(refusal))
      owner.close()
      other.bind(first)
      expect(errors).toEqual([])
    })

    it('binds within a packet', async () => {
      namespace.queueOutput(first, second)
      await namespace.startPeer()
      const queue = open({
        onPacket: packet => {
          if (packet.queue === first) queue.bind(second)
          queue.verdict(packet.queue, packet.id, NF_ACCEPT)
        },
      })
      queue.bind(first)
      namespace.send(first, 'a')
      await eventually(() => namespace.received).toEqual(['a'])
      namespace.send(second, 'b')
      await eventually(() => namespace.received).toEqual(['a', 'b'])
    })
  })
})
