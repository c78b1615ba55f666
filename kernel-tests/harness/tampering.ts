import { transportChecksum } from '../../packages/enforcer-nfq/src/packet/checksum.js'
import { NF_ACCEPT, openPacketQueue, type QueuedPacket } from '../../packages/enforcer-nfq/src/queue.js'
import type { NetworkNamespace } from './network-namespace.js'

const QUEUE = 7
const IPPROTO_TCP = 6
const TCP_HEADER_BYTES = 20
/** The option kind of an overlay's segment (RFC 6994). */
const EXPERIMENT = 254
const NO_OPERATION = 1
const CHECKSUM_OFFSET = 16
const FLAGS_OFFSET = 13

/** Which of the three segments that carry an overlay. */
export type HandshakeSegment = 'SYN' | 'SYN-ACK' | 'ACK'

/** Flips one bit in the TCP payload of a segment of every connection over a router, a different bit in each. */
export interface Tampering {
  readonly segment: HandshakeSegment
  /** Every how many bits one is flipped: the first connection's is bit 0, the next one's this, and so on. */
  readonly stride: number
}

/** An attacker on the path: sees every IPv4 TCP packet that the router forwards. */
export class Tamperer {
  readonly #queue
  #tampering: Tampering | undefined
  /** Bit numbers by the client's port: resent segments are altered alike. */
  #bits = new Map<number, number>()
  #payloadBits = 0
  readonly errors: unknown[] = []

  private constructor(router: NetworkNamespace) {
    this.#queue = openPacketQueue({
      netns: router.path,
      onPacket: packet => this.#onPacket(packet),
      onError: error => this.errors.push(error),
    })
    this.#queue.bind(QUEUE)
  }

  static async start(router: NetworkNamespace): Promise<Tamperer> {
    const tamperer = new Tamperer(router)
    const rule = ['FORWARD', '-p', 'tcp', '-j', 'NFQUEUE', '--queue-num', String(QUEUE)]
    await router.mustRun(['iptables-nft', '-A', ...rule])
    return tamperer
  }

  /** From now on that, or nothing. */
  tamper(tampering: Tampering | undefined): void {
    this.#tampering = tampering
    this.#bits = new Map()
    this.#payloadBits = 0
  }

  /** In how many connections a bit was flipped, and how many bits there were to choose from. */
  get tampered(): { readonly connections: number; readonly payloadBits: number } {
    return { connections: this.#bits.size, payloadBits: this.#payloadBits }
  }

  stop(): void {
    this.#queue.close()
  }

  #onPacket(packet: QueuedPacket): void {
    const bytes = packet.data.slice(packet.offset, packet.offset + packet.length)
    const isAltered = this.#tampering !== undefined && this.#alter(bytes, this.#tampering)
    const payload = isAltered ? bytes : undefined
    this.#queue.verdict(packet.queue, packet.id, NF_ACCEPT, undefined, payload)
  }

  #alter(bytes: Uint8Array, { segment, stride }: Tampering): boolean {
    const tcp = (bytes[0]! & 0x0f) * 4
    const payload = tcp + (bytes[tcp + 12]! >> 4) * 4
    if (segmentOf(bytes[tcp + FLAGS_OFFSET]!) !== segment || payload >= bytes.length) return false
    if (!carriesOverlay(bytes.subarray(tcp + TCP_HEADER_BYTES, payload))) return false
    const clientPort = portAt(bytes, segment === 'SYN-ACK' ? tcp + 2 : tcp)
    const bit = this.#bits.get(clientPort) ?? this.#bits.size * stride
    this.#bits.set(clientPort, bit)
    this.#payloadBits = (bytes.length - payload) * 8
    flip(bytes, payload, bit % this.#payloadBits)
    bytes.fill(0, tcp + CHECKSUM_OFFSET, tcp + CHECKSUM_OFFSET + 2)
    const checksum = transportChecksum(bytes, tcp, bytes.length, IPPROTO_TCP)
    bytes[tcp + CHECKSUM_OFFSET] = checksum >> 8
    bytes[tcp + CHECKSUM_OFFSET + 1] = checksum & 0xff
    return true
  }
}

function carriesOverlay(options: Uint8Array): boolean {
  let at = 0
  while (at < options.length) {
    if (options[at] === EXPERIMENT) return true
    at += options[at] === NO_OPERATION ? 1 : Math.max(options[at + 1] ?? 0, 2)
  }
  return false
}

/** By the SYN and ACK bits (RFC 9293 §3.1). */
function segmentOf(flags: number): HandshakeSegment | undefined {
  const isSYN = (flags & 0x02) !== 0
  const isACK = (flags & 0x10) !== 0
  if (isSYN) return isACK ? 'SYN-ACK' : 'SYN'
  return isACK ? 'ACK' : undefined
}

function portAt(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!
}

function flip(bytes: Uint8Array, start: number, bit: number): void {
  bytes[start + (bit >> 3)]! ^= 0x80 >> (bit & 7)
}
