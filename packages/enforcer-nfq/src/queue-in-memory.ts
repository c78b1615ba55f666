import { KernelError } from '@trireme/core'
import {
  type LoggedPacket,
  NF_DROP,
  NF_INET_LOCAL_OUT,
  type PacketQueue,
  type PacketQueueOptions,
  type PacketQueueStats,
  type QueuedPacket,
} from './queue.js'

/** A packet as a test puts it in. */
export interface InjectedPacket {
  readonly queue: number
  /** Default `NF_INET_LOCAL_OUT`. */
  readonly hook?: number
  /** Default 0. */
  readonly mark?: number
  readonly isLoopback?: boolean
  /** Default 0. */
  readonly interfaceIndex?: number
  /** The packet from its IP header; copied. */
  readonly bytes: Uint8Array
  readonly isTruncated?: boolean
  readonly isChecksumPartial?: boolean
  readonly isGso?: boolean
}

/** A verdict as the kernel would have received it; `payload` is a copy. */
export interface InMemoryVerdict {
  readonly queue: number
  readonly id: number
  readonly verdict: number
  readonly mark: number | undefined
  readonly payload: Uint8Array | undefined
}

/** A packet queue without a kernel: `inject` plays its part, `verdicts` holds the answers in their order. */
export interface InMemoryPacketQueue extends PacketQueue {
  /** Calls `onPacket` at once and gives the packet's id. `RangeError` if the queue number is not bound. */
  inject(packet: InjectedPacket): number
  /** Calls `onLogged` at once. `RangeError` if the group is not bound. */
  log(group: number, bytes: Uint8Array): void
  /** Every verdict on a packet that waited, oldest first. */
  readonly verdicts: readonly InMemoryVerdict[]
  /** How many packets wait for their verdict. */
  readonly held: number
}

/** A queue of its own world: bound numbers collide with nothing, `netns`, buffer size and `maxPackets` mean nothing. */
export function openInMemoryPacketQueue(
  options: Pick<PacketQueueOptions, 'onPacket' | 'onLogged' | 'onError'>,
): InMemoryPacketQueue {
  return new MemoryPacketQueue(options)
}

class MemoryPacketQueue implements InMemoryPacketQueue {
  readonly verdicts: InMemoryVerdict[] = []
  readonly #options: Pick<PacketQueueOptions, 'onPacket' | 'onLogged' | 'onError'>
  /** Ids that wait, by bound queue number. */
  readonly #waiting = new Map<number, Set<number>>()
  readonly #logGroups = new Set<number>()
  readonly #lastID = new Map<number, number>()
  readonly #stats = { received: 0, verdicts: 0, verdictErrors: 0, truncated: 0, handlerErrors: 0 }
  #isClosed = false

  constructor(options: Pick<PacketQueueOptions, 'onPacket' | 'onLogged' | 'onError'>) {
    this.#options = options
  }

  get held(): number {
    return [...this.#waiting.values()].reduce((sum, ids) => sum + ids.size, 0)
  }

  bind(queueNumber: number): void {
    this.#requireOpen('NFQNL_CFG_CMD_BIND')
    if (!(Number.isInteger(queueNumber) && queueNumber >= 0 && queueNumber <= 0xffff)) {
      throw new RangeError(`queueNumber is ${queueNumber}: expected an integer from 0 to 65535`)
    }
    if (this.#waiting.has(queueNumber)) throw new KernelError({ op: 'NFQNL_CFG_CMD_BIND', errno: 'EBUSY' })
    this.#waiting.set(queueNumber, new Set())
    this.#lastID.set(queueNumber, 0)
  }

  unbind(queueNumber: number): void {
    this.#requireOpen('NFQNL_CFG_CMD_UNBIND')
    if (!this.#waiting.delete(queueNumber)) {
      throw new KernelError({ op: 'NFQNL_CFG_CMD_UNBIND', errno: 'ENODEV' })
    }
  }

  bindLog(group: number): void {
    this.#requireOpen('NFULNL_CFG_CMD_BIND')
    if (this.#logGroups.has(group)) throw new KernelError({ op: 'NFULNL_CFG_CMD_BIND', errno: 'EBUSY' })
    this.#logGroups.add(group)
  }

  log(group: number, bytes: Uint8Array, about: Partial<Pick<LoggedPacket, 'hook' | 'prefix'>> = {}): void {
    if (!this.#logGroups.has(group)) throw new RangeError(`log group ${group} is not bound: bind it first`)
    const data = Uint8Array.from([0, ...bytes])
    this.#options.onLogged?.({
      hook: NF_INET_LOCAL_OUT,
      prefix: '',
      ...about,
      data,
      offset: 1,
      length: bytes.length,
    })
    data.fill(0xff)
  }

  inject(packet: InjectedPacket): number {
    const waiting = this.#waiting.get(packet.queue)
    if (waiting === undefined) throw new RangeError(`queue ${packet.queue} is not bound: bind it first`)
    const id = (this.#lastID.get(packet.queue) ?? 0) + 1
    this.#lastID.set(packet.queue, id)
    waiting.add(id)
    this.#stats.received++
    if (packet.isTruncated) this.#stats.truncated++
    const queued = asQueued(packet, id)
    try {
      this.#options.onPacket(queued)
    } catch (error) {
      this.#stats.handlerErrors++
      if (waiting.has(id)) this.verdict(packet.queue, id, NF_DROP)
      this.#options.onError(error)
    } finally {
      spoil(queued)
    }
    return id
  }

  verdict(
    queueNumber: number,
    packetID: number,
    verdict: number,
    mark?: number,
    payload?: Uint8Array,
    payloadLength: number = payload?.length ?? 0,
  ): void {
    if (this.#isClosed) return
    if (payload !== undefined && !(payloadLength <= Math.min(payload.length, 0xffff))) {
      throw new RangeError(`payloadLength is ${payloadLength}: expected at most ${payload.length}`)
    }
    this.#stats.verdicts++
    const waiting = this.#waiting.get(queueNumber)
    if (waiting?.delete(packetID)) {
      const copy = payload?.slice(0, payloadLength)
      this.verdicts.push({ queue: queueNumber, id: packetID, verdict, mark, payload: copy })
      return
    }
    this.#stats.verdictErrors++
    const errno = waiting === undefined ? 'ENODEV' : 'ENOENT'
    this.#options.onError(new KernelError({ op: 'NFQNL_MSG_VERDICT', errno, detail: `packet ${packetID}` }))
  }

  stats(): PacketQueueStats {
    return { ...this.#stats, overruns: 0 }
  }

  close(): void {
    this.#isClosed = true
    this.#waiting.clear()
  }

  #requireOpen(op: string): void {
    if (this.#isClosed) throw new KernelError({ op, errno: 'EBADF' })
  }
}

/** Memory before the packet, so that who forgets `offset` is found out. */
const headroom = 60

function asQueued(
  packet: InjectedPacket,
  id: number,
): { -readonly [K in keyof QueuedPacket]: QueuedPacket[K] } {
  const data = new Uint8Array(headroom + packet.bytes.length)
  data.set(packet.bytes, headroom)
  return {
    queue: packet.queue,
    id,
    hook: packet.hook ?? NF_INET_LOCAL_OUT,
    mark: packet.mark ?? 0,
    isLoopback: packet.isLoopback ?? false,
    interfaceIndex: packet.interfaceIndex ?? 0,
    data,
    offset: headroom,
    length: packet.bytes.length,
    isTruncated: packet.isTruncated ?? false,
    isChecksumPartial: packet.isChecksumPartial ?? false,
    isGso: packet.isGso ?? false,
  }
}

/** What the real queue does by reading the next packet: who kept this one finds other bytes in it. */
function spoil(queued: ReturnType<typeof asQueued>): void {
  queued.data.fill(0xdd)
  queued.id = 0
  queued.length = 0
}
