import { TcpPacket } from '../../packages/enforcer-nfq/src/packet/tcp-packet.js'
import {
  type TcpDescription,
  type TcpFlag,
  type TcpOption,
  tcpPacket,
} from '../../packages/enforcer-nfq/src/testing/index.js'
import { eventually } from './eventually.js'
import type { OnPath } from './on-path.js'

/** A tuple, as the client has it. */
export type Tuple = Pick<TcpDescription, 'source' | 'destination' | 'sourcePort' | 'destinationPort'>

/** A segment in words. */
export interface RawSegment {
  readonly flags: readonly TcpFlag[]
  readonly sequence: number
  readonly acknowledgement?: number
  /** The payload, under the overlay's option. */
  readonly overlay?: Uint8Array
  readonly payload?: Uint8Array | string
}

/** A segment that was read. */
export interface ReadSegment {
  readonly flags: number
  readonly sequence: number
  readonly acknowledgement: number
  readonly payload: Uint8Array
  readonly hasOverlay: boolean
  readonly isSynAck: boolean
  readonly isRst: boolean
}

const SYN_OPTIONS: readonly TcpOption[] = [{ mss: 1400 }]

/** A TCP client without a TCP: whoever holds the path sends what he likes in its name, and keeps what it is answered. */
export class RawClient {
  readonly tuple: Tuple
  readonly #onPath: OnPath
  readonly #answers: readonly Uint8Array[]

  constructor(onPath: OnPath, tuple: Tuple) {
    this.tuple = tuple
    this.#onPath = onPath
    this.#answers = onPath.take(readTcp(tcpPacket(tuple)).reverseFlowKey())
  }

  /** Resolves when the kernel has taken it: what is sent later arrives later. */
  send({ overlay, payload, ...segment }: RawSegment): Promise<void> {
    const own = segment.flags.includes('SYN') ? SYN_OPTIONS : []
    const options: readonly TcpOption[] = overlay ? [...own, 'overlay'] : own
    const content = overlay ?? payload ?? new Uint8Array(0)
    return this.#onPath.inject(tcpPacket({ ...this.tuple, ...segment, options, payload: content }))
  }

  /** Everything that it was answered, in order. */
  answers(): readonly ReadSegment[] {
    return this.#answers.map(readSegment)
  }

  /** Waits for an answer to the SYN with that number. */
  synAck(isn: number): Promise<ReadSegment> {
    const isAnswer = (answer: ReadSegment) => answer.isSynAck && answer.acknowledgement === (isn + 1) >>> 0
    return eventually('a SYN-ACK', () => this.answers().find(isAnswer), { timeoutMs: 3_000, everyMs: 5 })
  }

  /** From now on answers go to the host that bears the address. */
  leave(): void {
    this.#onPath.release(readTcp(tcpPacket(this.tuple)).reverseFlowKey())
  }
}

/** Reads a packet that is known to be well-formed. */
export function readSegment(bytes: Uint8Array): ReadSegment {
  const packet = readTcp(bytes)
  const { flags, sequence, acknowledgement, hasOverlayOption: hasOverlay, isSynAck, isRst } = packet
  return { flags, sequence, acknowledgement, payload: packet.payload(), hasOverlay, isSynAck, isRst }
}

function readTcp(bytes: Uint8Array): TcpPacket {
  const packet = new TcpPacket()
  const fault = packet.parse(bytes, 0, bytes.length)
  if (fault !== undefined) throw new Error(`not a TCP packet: ${fault}`)
  return packet
}
