import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type HeldPacket, HeldPackets } from './held-packets.js'
import type { QueuedPacket } from './queue.js'

let ready: [number, boolean][] = []
let bytes: Uint8Array | undefined

function held(maxPackets = 3): HeldPackets {
  const onReady = (packet: HeldPacket, isTimeout: boolean) => {
    bytes = packet.bytes
    ready.push([packet.id, isTimeout])
  }
  return new HeldPackets({ maxPackets, timeoutMs: 1000, onReady })
}

function packet(id: number, queue = 7): QueuedPacket {
  const data = Buffer.from('headroom and packet and what lies behind')
  const flags = {
    isLoopback: false,
    interfaceIndex: 0,
    isTruncated: false,
    isChecksumPartial: false,
    isGso: false,
  }
  return { queue, id, hook: 1, mark: 2, data, offset: 13, length: 6, ...flags }
}

beforeEach(() => {
  ready = []
  vi.useFakeTimers()
})
afterEach(() => void vi.useRealTimers())

it.each(['resolves', 'rejects'])('hands a packet back once when the promise %s', async how => {
  const packets = held()
  expect(packets.hold(packet(1), how === 'resolves' ? Promise.resolve() : Promise.reject(new Error()))).toBe(
    true,
  )
  expect([packets.size, ready.length]).toEqual([1, 0])
  await vi.advanceTimersByTimeAsync(5000)
  expect(ready).toEqual([[1, false]])
  expect(packets.size).toBe(0)
})

it('holds it once more within the same time, and not a third time', async () => {
  const never = new Promise<void>(() => {})
  const again: boolean[] = []
  const packets: HeldPackets = new HeldPackets({
    maxPackets: 3,
    timeoutMs: 1000,
    onReady: (packet, isTimeout) => {
      ready.push([packet.id, isTimeout])
      if (!isTimeout)
        again.push(
          packets.holdAgain(packet, never),
          packets.holdAgain({ ...packet, isSecondWait: true }, never),
        )
    },
  })
  packets.hold(packet(1), new Promise(resolve => setTimeout(resolve, 600)))
  await vi.advanceTimersByTimeAsync(600)
  expect([ready, again, packets.size]).toEqual([[[1, false]], [true, false], 1])
  await vi.advanceTimersByTimeAsync(399)
  expect(packets.size).toBe(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(ready).toEqual([
    [1, false],
    [1, true],
  ])
})

it('hands it back as timed out, and then never again', async () => {
  const packets = held()
  let resolve: () => void = () => {}
  packets.hold(packet(1), new Promise<void>(answer => (resolve = answer)))
  await vi.advanceTimersByTimeAsync(1000)
  expect(ready).toEqual([[1, true]])
  resolve()
  await vi.advanceTimersByTimeAsync(1000)
  expect(ready).toHaveLength(1)
})

it('copies the packet, whatever kind of memory it lies in', async () => {
  const queued = packet(1)
  held().hold(queued, Promise.resolve())
  queued.data.fill(0)
  await vi.advanceTimersByTimeAsync(0)
  expect(Buffer.from(bytes!).toString()).toBe('packet')
})

it('has room for so many and no more, and of one queue for as many as stay free', async () => {
  const packets = held(4)
  const never = new Promise(() => {})
  expect([1, 2, 3].map(id => packets.hold(packet(id), never))).toEqual([true, true, false])
  expect([1, 2].map(id => packets.hold(packet(id, 8), never))).toEqual([true, false])
  await vi.advanceTimersByTimeAsync(1000)
  expect(packets.hold(packet(4), never)).toBe(true)
})

it('forgets the packets of one queue, or all', async () => {
  const packets = held()
  const soon = new Promise(resolve => setTimeout(resolve, 10))
  packets.hold(packet(1, 7), soon)
  packets.hold(packet(2, 8), soon)
  packets.forget(7)
  await vi.advanceTimersByTimeAsync(2000)
  expect(ready).toEqual([[2, false]])
  packets.hold(packet(3), soon)
  packets.clear()
  await vi.advanceTimersByTimeAsync(2000)
  expect(ready).toHaveLength(1)
})
