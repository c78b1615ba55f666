import { getSystemErrorName } from 'node:util'
import { KernelError } from '@trireme/core'
import type { PacketQueue, PacketQueueOptions, PacketQueueStats } from '../queue.js'
import { type BatchMemory, batchMemory, txSize } from './batch-memory.js'
import {
  messageEnd,
  messageType,
  NETLINK_NETFILTER,
  NLMSG_ERROR,
  NLMSG_HDRLEN,
  parseError,
} from './message.js'
import type { MessageWriter } from './message-writer.js'
import {
  logCommandMessage,
  logModeMessage,
  NFULNL_CFG_CMD_BIND,
  NFULNL_MSG_PACKET,
  parseLogged,
} from './nflog.js'
import {
  commandMessage,
  flagsMessage,
  NF_DROP,
  NFQA_CFG_F_GSO,
  NFQNL_CFG_CMD_BIND,
  NFQNL_CFG_CMD_UNBIND,
  NFQNL_MSG_PACKET,
  NFQNL_MSG_VERDICT,
  paramsMessage,
  parsePacket,
  type VerdictFields,
  verdictBytes,
  writeVerdict,
} from './nfqueue.js'
import { type BatchHandler, type Datagram, NetlinkSocket } from './socket.js'

/** The packet queue over NFQUEUE itself; see `openPacketQueue`. */
export function openKernelQueue(options: PacketQueueOptions): PacketQueue {
  const socket = NetlinkSocket.open({
    protocol: NETLINK_NETFILTER,
    netns: options.netns,
    receiveBufferBytes: options.receiveBufferBytes ?? 8 << 20,
    sendBufferBytes: txSize,
    noEnobufs: true,
  })
  try {
    const queue = new KernelPacketQueue(socket, options)
    socket.start(queue)
    return queue
  } catch (error) {
    socket.close()
    throw error
  }
}

const copyRange = 0xffff
/** Of a logged packet only the headers are of interest. */
const logCopyRange = 256
const maxPayload = 0xffff

class KernelPacketQueue implements PacketQueue, BatchHandler {
  readonly #socket: NetlinkSocket
  readonly #options: PacketQueueOptions
  readonly #memory: BatchMemory = batchMemory()
  readonly #packet = blankPacket()
  readonly #logged = { data: new Uint8Array(0) as Uint8Array, hook: 0, prefix: '', offset: 0, length: 0 }
  readonly #verdict: VerdictFields = {
    queue: 0,
    id: 0,
    verdict: NF_DROP,
    mark: undefined,
    payload: undefined,
    payloadLength: 0,
  }
  readonly #stats = {
    received: 0,
    verdicts: 0,
    verdictErrors: 0,
    overruns: 0,
    truncated: 0,
    handlerErrors: 0,
  }
  #isInBatch = false
  /** Verdicts that are in the batch's memory and not yet in the kernel. */
  #unsent = 0
  /** The packet in `onPacket`, and whether it has its verdict. */
  #currentQueue = -1
  #currentID = 0
  #isDecided = false

  constructor(socket: NetlinkSocket, options: PacketQueueOptions) {
    this.#socket = socket
    this.#options = options
  }

  bind(queueNumber: number): void {
    const queue = requireQueueNumber(queueNumber)
    const maxPackets = this.#options.maxPackets ?? 4096
    this.#request('NFQNL_CFG_CMD_BIND', seq => commandMessage(queue, NFQNL_CFG_CMD_BIND, seq))
    try {
      this.#request('NFQA_CFG_FLAGS', seq => flagsMessage(queue, NFQA_CFG_F_GSO, seq))
      this.#request('NFQA_CFG_PARAMS', seq => paramsMessage(queue, copyRange, maxPackets, seq))
    } catch (error) {
      this.unbind(queue)
      throw error
    }
  }

  unbind(queueNumber: number): void {
    const queue = requireQueueNumber(queueNumber)
    this.#request('NFQNL_CFG_CMD_UNBIND', seq => commandMessage(queue, NFQNL_CFG_CMD_UNBIND, seq))
  }

  bindLog(group: number): void {
    const number = requireQueueNumber(group)
    this.#request('NFULNL_CFG_CMD_BIND', seq => logCommandMessage(number, NFULNL_CFG_CMD_BIND, seq))
    this.#request('NFULA_CFG_MODE', seq => logModeMessage(number, logCopyRange, seq))
  }

  verdict(
    queueNumber: number,
    packetID: number,
    verdict: number,
    mark?: number,
    payload?: Uint8Array,
    payloadLength: number = payload?.length ?? 0,
  ): void {
    if (this.#socket.isClosed) return
    if (payload !== undefined && !(payloadLength <= Math.min(payload.length, maxPayload))) {
      throw new RangeError(
        `payloadLength is ${payloadLength}: expected at most ${Math.min(payload.length, maxPayload)}`,
      )
    }
    const fields = this.#verdict
    fields.queue = queueNumber
    fields.id = packetID
    fields.verdict = verdict
    fields.mark = mark
    fields.payload = payload
    fields.payloadLength = payloadLength
    if (queueNumber === this.#currentQueue && packetID === this.#currentID) this.#isDecided = true
    this.#stats.verdicts++
    if (this.#isInBatch) this.#join(fields)
    else this.#sendNow(fields)
  }

  stats(): PacketQueueStats {
    if (!this.#socket.isClosed) this.#stats.overruns = this.#socket.drops()
    return { ...this.#stats }
  }

  close(): void {
    if (this.#socket.isClosed) return
    if (this.#isInBatch) this.#flush()
    this.#stats.overruns = this.#socket.drops()
    this.#socket.close()
  }

  onBatchBegin(): void {
    this.#isInBatch = true
  }

  onDatagram({ view, bytes, start, end, isCut }: Datagram): void {
    for (let at = start; end - at >= NLMSG_HDRLEN && !this.#socket.isClosed; ) {
      const next = messageEnd(view, at, end) || (isCut ? end : 0)
      if (next === 0) return
      const type = messageType(view, at)
      if (type === NFQNL_MSG_PACKET) this.#onPacketMessage(bytes, view, at, next, isCut)
      else if (type === NFULNL_MSG_PACKET) this.#onLogMessage(bytes, view, at, next)
      else if (type === NLMSG_ERROR) this.#onErrorMessage(view, at, next)
      at = start + (((next - start + 3) >> 2) << 2)
    }
  }

  onBatchEnd(): void {
    this.#isInBatch = false
    this.#flush()
  }

  onRefused(error: KernelError): void {
    this.#report(error)
  }

  #onPacketMessage(bytes: Uint8Array, view: DataView, start: number, end: number, isCut: boolean): void {
    const packet = this.#packet
    if (!parsePacket(view, start, end, packet)) {
      this.#report(new KernelError({ op: 'NFQNL_MSG_PACKET', errno: 'EBADMSG' }))
      return
    }
    packet.data = bytes
    if (isCut) packet.isTruncated = true
    if (packet.isTruncated) this.#stats.truncated++
    this.#stats.received++
    const { queue, id } = packet
    this.#currentQueue = queue
    this.#currentID = id
    this.#isDecided = false
    try {
      this.#options.onPacket(packet)
    } catch (error) {
      this.#stats.handlerErrors++
      if (!this.#isDecided) this.verdict(queue, id, NF_DROP)
      this.#report(error)
    }
    this.#currentQueue = -1
  }

  #onLogMessage(bytes: Uint8Array, view: DataView, start: number, end: number): void {
    const logged = this.#logged
    if (!parseLogged(view, start, end, logged)) return
    logged.data = bytes
    this.#options.onLogged?.(logged)
  }

  #onErrorMessage(view: DataView, start: number, end: number): void {
    const reply = parseError(view, start, end)
    if (reply === undefined || reply.errno === 0) return
    const errno = getSystemErrorName(-reply.errno)
    if (reply.type !== NFQNL_MSG_VERDICT) {
      this.#report(new KernelError({ op: `netlink message ${reply.type}`, errno }))
      return
    }
    this.#stats.verdictErrors++
    this.#report(new KernelError({ op: 'NFQNL_MSG_VERDICT', errno, detail: `packet ${reply.seq}` }))
  }

  #join(fields: VerdictFields): void {
    const { batch } = this.#memory
    if (verdictBytes(fields) > batch.room) this.#flush()
    writeVerdict(batch, fields)
    this.#unsent++
  }

  #flush(): void {
    this.#send(this.#memory.batch, this.#unsent)
    this.#unsent = 0
  }

  #sendNow(fields: VerdictFields): void {
    writeVerdict(this.#memory.late, fields)
    this.#send(this.#memory.late, 1)
  }

  #send(writer: MessageWriter, verdicts: number): void {
    const { bytes, length } = writer
    writer.reset()
    if (length === 0) return
    try {
      this.#socket.send(bytes, length)
    } catch (error) {
      this.#stats.verdictErrors += verdicts
      this.#report(error)
    }
  }

  #request(op: string, message: (seq: number) => Uint8Array): void {
    const seq = this.#socket.nextSeq()
    this.#socket.request(op, message(seq), seq)
  }

  /** A throw of `onError` must not end the batch: it becomes the process's uncaught exception. */
  #report(error: unknown): void {
    try {
      this.#options.onError(error)
    } catch (thrown) {
      process.nextTick(() => {
        throw thrown
      })
    }
  }
}

function blankPacket() {
  return {
    queue: 0,
    id: 0,
    hook: 0,
    mark: 0,
    isLoopback: false,
    interfaceIndex: 0,
    data: new Uint8Array(0) as Uint8Array,
    offset: 0,
    length: 0,
    isTruncated: false,
    isChecksumPartial: false,
    isGso: false,
  }
}

function requireQueueNumber(queueNumber: number): number {
  if (Number.isInteger(queueNumber) && queueNumber >= 0 && queueNumber <= 0xffff) return queueNumber
  throw new RangeError(`queueNumber is ${queueNumber}: expected an integer from 0 to 65535`)
}
