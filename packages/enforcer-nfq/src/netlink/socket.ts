import { getSystemErrorName } from 'node:util'
import { KernelError } from '@trireme/core'
import { batchMemory } from './batch-memory.js'
import { loadBinding, type NativeOpenOptions, type NativeSocket } from './binding.js'
import {
  align4,
  messageEnd,
  messageSeq,
  messageType,
  NLMSG_DONE,
  NLMSG_ERROR,
  parseError,
} from './message.js'

/** Bytes of one datagram in memory that is reused afterwards. */
export interface Datagram {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly start: number
  readonly end: number
  /** The datagram did not fit: what it says of its own length reaches beyond `end`. */
  readonly isCut: boolean
}

/** One message in [start, end) of a datagram. */
export interface NetlinkMessage {
  readonly view: DataView
  readonly start: number
  readonly end: number
  readonly type: number
}

/** Who is told what a socket receives. None of these may throw. */
export interface BatchHandler {
  onBatchBegin(): void
  onDatagram(datagram: Datagram): void
  /** Now is the time to send what the batch led to: before promises and ticks run, which might throw. */
  onBatchEnd(): void
  /** A receive was refused, ENOBUFS for an overrun; the socket goes on. */
  onRefused(error: KernelError): void
}

const requestTimeoutMs = 5_000
/** Seqs of requests have this bit; those of verdicts have not, so no refused verdict answers a request. */
const requestBit = 0x80000000
const cutBit = 0x80000000

/** A netlink socket whose refusals are `KernelError`s. Batches start with `start`; until then nothing is read. */
export class NetlinkSocket {
  readonly #native: NativeSocket
  #handler: BatchHandler | undefined
  #seq = 0
  #strays: Uint8Array[] = []
  #isClosed = false

  private constructor(native: NativeSocket) {
    this.#native = native
  }

  static open(options: NativeOpenOptions): NetlinkSocket {
    const binding = loadBinding()
    return new NetlinkSocket(asKernelError(() => binding.open(options)))
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  nextSeq(): number {
    this.#seq = (this.#seq + 1) & 0x7fffffff
    return (requestBit | this.#seq) >>> 0
  }

  /** Sends a message that asks for an acknowledgement and blocks until it came; throws the errno it carried as `op`'s. */
  request(op: string, message: Uint8Array, seq: number): void {
    const datagrams = asKernelError(() => this.#native.request(message, requestTimeoutMs), op)
    let errno = 0
    for (const bytes of datagrams) {
      const answer = errorOf(bytes, seq)
      if (answer === undefined) this.#strays.push(bytes)
      else errno = answer
    }
    if (this.#strays.length > 0) setImmediate(() => this.#deliverStrays())
    if (errno !== 0) throw new KernelError({ op, errno: getSystemErrorName(-errno) })
  }

  /**
   * Sends a message that asks for one thing and blocks until the answer came: a datagram, or undefined where there is no such thing
   * (ENOENT). Throws any other errno as `op`'s.
   */
  ask(op: string, message: Uint8Array, seq: number): Uint8Array | undefined {
    const datagrams = asKernelError(() => this.#native.request(message, requestTimeoutMs), op)
    const answer = datagrams[datagrams.length - 1]
    const errno = answer ? errorOf(answer, seq) : undefined
    if (errno === undefined) return answer
    const name = getSystemErrorName(-errno)
    if (name === 'ENOENT') return undefined
    throw new KernelError({ op, errno: name })
  }

  /** Sends a message that asks for a dump and blocks until the end of it; throws the errno with which it was refused as `op`'s. */
  dump(op: string, message: Uint8Array, seq: number): readonly Uint8Array[] {
    const datagrams = asKernelError(() => this.#native.request(message, requestTimeoutMs), op)
    const errno = datagrams.map(bytes => errorOf(bytes, seq)).find(answer => answer)
    if (errno) throw new KernelError({ op, errno: getSystemErrorName(-errno) })
    return datagrams
  }

  /** The same, as the messages of which the answer consists. */
  list(op: string, message: Uint8Array, seq: number): readonly NetlinkMessage[] {
    return this.dump(op, message, seq).flatMap(bytes => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      const messages: NetlinkMessage[] = []
      for (let at = 0, end = messageEnd(view, 0, bytes.length); end !== 0; ) {
        const type = messageType(view, at)
        if (messageSeq(view, at) === seq && type > NLMSG_DONE) messages.push({ view, start: at, end, type })
        at = align4(end)
        end = messageEnd(view, at, bytes.length)
      }
      return messages
    })
  }

  /** Reads batches from now on and keeps the event loop alive until `close`. */
  start(handler: BatchHandler): void {
    this.#handler = handler
    asKernelError(() =>
      this.#native.start(batchMemory(), (count, op, errno) => this.#onBatch(count, op, errno)),
    )
  }

  send(bytes: Uint8Array, length: number): void {
    asKernelError(() => this.#native.send(bytes, length))
  }

  /** Messages the kernel lost because the receive buffer was full. */
  drops(): number {
    return asKernelError(() => this.#native.drops())
  }

  /** Idempotent, also inside a batch: the rest of it is not delivered. */
  close(): void {
    this.#isClosed = true
    this.#strays = []
    this.#native.close()
  }

  #onBatch(count: number, op?: string, errno?: string): void {
    const handler = this.#handler
    if (handler === undefined) return
    if (op !== undefined && errno !== undefined) handler.onRefused(new KernelError({ op, errno }))
    this.#inBatch(handler, () => this.#deliverSlots(handler, count))
  }

  #deliverSlots(handler: BatchHandler, count: number): void {
    const { rx, view, slotSize, lengths } = batchMemory()
    const datagram = { bytes: rx, view, start: 0, end: 0, isCut: false }
    for (let slot = 0; slot < count && !this.#isClosed; slot++) {
      const length = lengths[slot] ?? 0
      datagram.start = slot * slotSize
      datagram.end = datagram.start + (length & ~cutBit)
      datagram.isCut = length >= cutBit
      handler.onDatagram(datagram)
    }
  }

  /** Datagrams that a request read while it waited, when no batch came first. */
  #deliverStrays(): void {
    const handler = this.#handler
    if (handler === undefined || this.#isClosed || this.#strays.length === 0) return
    this.#inBatch(handler, () => {})
  }

  /** Strays are older than what `deliver` hands over. A bug in a handler does not leave the batch open. */
  #inBatch(handler: BatchHandler, deliver: () => void): void {
    handler.onBatchBegin()
    try {
      this.#drain(handler)
      deliver()
    } finally {
      handler.onBatchEnd()
    }
  }

  #drain(handler: BatchHandler): void {
    while (this.#strays.length > 0 && !this.#isClosed) {
      const bytes = this.#strays.shift()!
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      handler.onDatagram({ bytes, view, start: 0, end: bytes.length, isCut: false })
    }
  }
}

/** The errno of the acknowledgement with this seq, if the datagram is it. */
function errorOf(bytes: Uint8Array, seq: number): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = messageEnd(view, 0, bytes.length)
  if (end === 0 || messageType(view, 0) !== NLMSG_ERROR || messageSeq(view, 0) !== seq) return undefined
  return parseError(view, 0, end)?.errno
}

/** Runs a call of the addon; its refusals leave as `KernelError`, named `op` if the caller has the better word. */
function asKernelError<T>(call: () => T, op?: string): T {
  try {
    return call()
  } catch (cause) {
    const facts = cause as { op?: unknown; errno?: unknown }
    if (typeof facts.op !== 'string' || typeof facts.errno !== 'string') throw cause
    throw new KernelError({ op: op ?? facts.op, errno: facts.errno, ...(op && { detail: facts.op }), cause })
  }
}
