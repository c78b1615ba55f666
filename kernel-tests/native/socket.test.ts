import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadBinding, type NativeSocket } from '../../packages/enforcer-nfq/src/netlink/binding.js'
import {
  commandMessage,
  NFQNL_CFG_CMD_BIND,
  paramsMessage,
} from '../../packages/enforcer-nfq/src/netlink/nfqueue.js'
import { NF_ACCEPT, openPacketQueue } from '../../packages/enforcer-nfq/src/queue.js'
import { Namespace, run } from './namespace.js'
import { reason, titled } from './requirements.js'

const NETLINK_NETFILTER = 12
const number = 13
const eventually = (read: () => unknown) => expect.poll(read, { timeout: 10_000, interval: 10 })
const onError = (error: unknown) => {
  throw error
}
const openFiles = () => readdirSync('/proc/self/fd').length
const ownNamespaces = () => {
  const paths = readdirSync('/proc/self/task').map(task => `/proc/self/task/${task}/ns/net`)
  return new Set(paths.map(path => readlinkSync(path)))
}
const slots = () => ({
  rx: new Uint8Array(2 * 2048),
  lengths: new Uint32Array(2),
  slotSize: 2048,
  rounds: 2,
})

describe.skipIf(reason)(titled('a netlink socket'), () => {
  let namespace: Namespace
  let native: NativeSocket | undefined
  beforeEach(() => {
    namespace = new Namespace()
  })
  afterEach(async () => {
    native?.close()
    native = undefined
    await namespace.remove()
  })

  it('lives in its namespace while the process stays in its own', async () => {
    const before = ownNamespaces()
    namespace.queueOutput(number)
    await namespace.startPeer()
    const held = openSync(namespace.path, 'r')
    const queue = openPacketQueue({
      netns: `/proc/self/fd/${held}`,
      onError,
      onPacket: packet => queue.verdict(packet.queue, packet.id, NF_ACCEPT),
    })
    closeSync(held)
    try {
      queue.bind(number)
      // The thread that went there has ended, but /proc may still have it for a moment.
      await eventually(ownNamespaces).toEqual(before)
      expect(before.size).toBe(1)
      expect(namespace.statistics(number)).toMatchObject({ queue: number, copyMode: 2 })
      expect(readFileSync('/proc/net/netfilter/nfnetlink_queue', 'utf8')).not.toMatch(/^\s+13 /m)
      namespace.send(number, 'through')
      await eventually(() => namespace.received).toEqual(['through'])
    } finally {
      queue.close()
    }
  })

  it('keeps its namespace alive until it is closed', async () => {
    const gone = new Namespace()
    const queue = openPacketQueue({ netns: gone.path, onError, onPacket: () => {} })
    const links = () => run('ip', ['-n', namespace.name, '-o', 'link'])
    try {
      run('ip', [
        '-n',
        namespace.name,
        'link',
        'add',
        'near',
        'type',
        'veth',
        'peer',
        'name',
        'far',
        'netns',
        gone.name,
      ])
      await gone.remove()
      queue.bind(number)
      expect(links()).toContain('near')
    } finally {
      queue.close()
    }
    await eventually(links).not.toContain('near')
  })

  it('is closed on exec and leaves no descriptor behind', () => {
    const inode = () => readdirSync('/proc/self/fd').filter(fd => readFlags(fd) !== undefined)
    const before = openFiles()
    const known = new Set(inode())
    native = loadBinding().open({ protocol: NETLINK_NETFILTER, netns: namespace.path })
    const opened = inode().filter(fd => !known.has(fd))
    expect(opened.length).toBe(1)
    expect(readFlags(opened[0]!)! & 0o2000000).toBe(0o2000000)
    native.close()
    for (let i = 0; i < 50; i++) {
      loadBinding().open({ protocol: NETLINK_NETFILTER, netns: namespace.path }).close()
    }
    expect(openFiles()).toBe(before)
  })

  it('says which call was refused', () => {
    const open = (netns: string) => () => openPacketQueue({ netns, onError, onPacket: () => {} })
    const before = openFiles()
    const refusal = (op: string, errno: string) => expect.objectContaining({ name: 'KernelError', op, errno })
    expect(open('/run/netns/trireme-no-such')).toThrow(refusal('open netns', 'ENOENT'))
    expect(open('/proc/self/status')).toThrow(refusal('setns', 'EINVAL'))
    expect(openFiles()).toBe(before)
  })

  it('checks its arguments', () => {
    const { open } = loadBinding()
    expect(() => open({ protocol: 99 })).toThrow(TypeError)
    expect(() => open({ protocol: 12, netns: '' })).toThrow('netns must be a path')
    expect(() => open({ protocol: 12, receiveBufferBytes: 0.5 })).toThrow(
      'receiveBufferBytes must be an integer',
    )
    expect(() => open(undefined as never)).toThrow('options must be an object')
    native = open({ protocol: NETLINK_NETFILTER })
    const socket = native
    expect(() => socket.request(new Uint8Array(8), 10)).toThrow('one netlink message')
    expect(() => socket.request(new Uint8Array(20), 10)).toThrow('one netlink message')
    expect(() => socket.send(new Uint8Array(8), 9)).toThrow('length must be an integer')
    expect(() => socket.send(Buffer.from('x').toString() as never, 1)).toThrow('bytes must be a Uint8Array')
    expect(() => socket.start({ ...slots(), slotSize: 2049 }, () => {})).toThrow('rx must hold')
    expect(() => socket.start(slots(), undefined as never)).toThrow('onBatch must be a function')
    socket.start(slots(), () => {})
    expect(() => socket.start(slots(), () => {})).toThrow(expect.objectContaining({ errno: 'EALREADY' }))
    socket.close()
    socket.close()
    for (const call of [
      () => socket.request(new Uint8Array(16), 1),
      () => socket.send(new Uint8Array(1), 1),
    ]) {
      expect(call).toThrow(expect.objectContaining({ op: 'sendto', errno: 'EBADF' }))
    }
  })

  it('gives up a request that is not answered', () => {
    native = loadBinding().open({ protocol: NETLINK_NETFILTER, netns: namespace.path })
    const done = new Uint8Array(commandMessage(number, NFQNL_CFG_CMD_BIND, 1))
    done[6] = 1 // no acknowledgement asked for, so a bind that succeeds says nothing
    expect(() => native?.request(done, 20)).toThrow(
      expect.objectContaining({ op: 'recv', errno: 'ETIMEDOUT' }),
    )
  })

  it('goes on after ENOBUFS', async () => {
    namespace.queueOutput(number)
    await namespace.startPeer()
    native = loadBinding().open({
      protocol: NETLINK_NETFILTER,
      netns: namespace.path,
      receiveBufferBytes: 4096,
    })
    native.request(commandMessage(number, NFQNL_CFG_CMD_BIND, 1), 1000)
    native.request(paramsMessage(number, 0xffff, 1024, 2), 1000)
    const errors: unknown[] = []
    let received = 0
    native.start(slots(), (count, op, errno) => {
      if (op !== undefined) errors.push([op, errno])
      received += count
      return
    })
    for (let overrun = 1; overrun <= 3; overrun++) {
      const before = received
      namespace.burst(number, 100, 10)
      await eventually(() => errors.length).toBe(overrun)
      await eventually(() => received).toBeGreaterThan(before)
    }
    expect(errors).toEqual(Array(3).fill(['recvmmsg', 'ENOBUFS']))
    const before = received
    namespace.send(number, 'after')
    await eventually(() => received).toBe(before + 1)
    expect(native.drops()).toBeGreaterThan(0)
  })
})

/** Flags of an open netlink socket (`/proc/self/fdinfo`), undefined for every other descriptor. */
function readFlags(fd: string): number | undefined {
  try {
    if (!readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')) return undefined
    const match = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))
    return match ? Number.parseInt(match[1]!, 8) : undefined
  } catch {
    return undefined
  }
}
