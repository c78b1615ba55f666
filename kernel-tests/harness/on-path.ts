import { sealPacket } from '../../packages/enforcer-nfq/src/packet/seal.js'
import { TcpPacket } from '../../packages/enforcer-nfq/src/packet/tcp-packet.js'
import {
  NF_ACCEPT,
  NF_DROP,
  openPacketQueue,
  type PacketQueue,
  type QueuedPacket,
} from '../../packages/enforcer-nfq/src/queue.js'
import type { NetworkNamespace } from './network-namespace.js'
import { RawSender } from './raw-sender.js'

const QUEUE = 7

/** The segments that open a connection; `data` is the first with payload that is no overlay, and its resends. */
export type OpeningSegment = 'SYN' | 'SYN-ACK' | 'ACK' | 'data'

/** A segment that the router is about to forward. Valid until the handler returns. */
export interface ForwardedSegment {
  /** Undefined for what belongs to no connection that was seen from its SYN on, and for what comes later in one. */
  readonly kind: OpeningSegment | undefined
  /** 1 for the first of its kind in its connection, 2 for its first resend, and so on. */
  readonly copy: number
  readonly packet: TcpPacket
  /** The port at which the connection's server listens. */
  readonly serverPort: number
}

/** What becomes of it. `after-next`: it is forwarded right behind the next segment of its connection that goes the same way. */
export type Fate = 'pass' | 'drop' | 'twice' | 'after-next'

interface Connection {
  readonly serverPort: number
  readonly copies: Map<OpeningSegment, number>
  /** Sender and sequence number of the first data. */
  data: string | undefined
  /** Packets that wait for the next one, by the key of those who go the same way. */
  readonly held: Map<string, readonly number[]>
}

export interface OnPathOptions {
  /** Where the segments are taken out, as iptables has it. Default: what a router forwards. */
  readonly at?: readonly string[]
  /** Where they are put in: as the namespace's own packets (default), or on its loopback device. */
  readonly into?: 'own' | 'loopback'
}

/**
 * Whoever holds the path: sees every TCP segment that a namespace forwards, loses, doubles and reorders, takes what he likes, and
 * sends in anybody's name.
 */
export class OnPath {
  readonly #sender: RawSender
  readonly #queue: PacketQueue
  readonly #packet = new TcpPacket()
  readonly #connections = new Map<string, Connection>()
  readonly #taken = new Map<string, Uint8Array[]>()
  readonly #into: 'own' | 'loopback'
  #fateOf: (segment: ForwardedSegment) => Fate = () => 'pass'
  readonly errors: unknown[] = []

  private constructor(router: NetworkNamespace, sender: RawSender, into: 'own' | 'loopback') {
    this.#sender = sender
    this.#into = into
    this.#queue = openPacketQueue({
      netns: router.path,
      onPacket: packet => this.#onPacket(packet),
      onError: error => this.errors.push(error),
    })
    this.#queue.bind(QUEUE)
  }

  static async start(router: NetworkNamespace, options: OnPathOptions = {}): Promise<OnPath> {
    const { at = ['-A', 'FORWARD'], into = 'own' } = options
    const onPath = new OnPath(router, await RawSender.start(router), into)
    for (const iptables of ['iptables-nft', 'ip6tables-nft'])
      await router.mustRun([iptables, ...at, '-p', 'tcp', '-j', 'NFQUEUE', '--queue-num', String(QUEUE)])
    return onPath
  }

  /** From now on, and for connections whose SYN comes from now on. */
  treat(fateOf: (segment: ForwardedSegment) => Fate): void {
    this.#fateOf = fateOf
    this.#connections.clear()
  }

  /** Sends a packet as it is. Resolves when the kernel has taken it. */
  inject(packet: Uint8Array): Promise<void> {
    return this.#into === 'own' ? this.#sender.send(packet) : this.#sender.sendFrame(packet)
  }

  /** From now on no segment of this flow (a `flowKey`) is forwarded. Answers with where they are gathered. */
  take(flowKey: string): readonly Uint8Array[] {
    const taken = this.#taken.get(flowKey) ?? []
    this.#taken.set(flowKey, taken)
    return taken
  }

  /** What was taken goes on its way again from now on. */
  release(flowKey: string): void {
    this.#taken.delete(flowKey)
  }

  async stop(): Promise<void> {
    this.#queue.close()
    await this.#sender.stop()
  }

  #onPacket(queued: QueuedPacket): void {
    const { data, offset, length, id } = queued
    const packet = this.#packet
    if (packet.parse(data, offset, length) !== undefined) this.#verdict(id, NF_ACCEPT)
    else this.#treat(id, packet)
  }

  #treat(id: number, packet: TcpPacket): void {
    const taken = this.#taken.get(packet.flowKey())
    taken?.push(sealed(packet))
    if (taken) this.#verdict(id, NF_DROP)
    else this.#disturb(id, packet)
  }

  #disturb(id: number, packet: TcpPacket): void {
    const connection = this.#connectionOf(packet)
    const way = packet.flowKey()
    const fate = this.#fateOf({
      ...count(connection, packet),
      packet,
      serverPort: connection?.serverPort ?? packet.destinationPort,
    })
    const held = connection?.held.get(way) ?? []
    if (fate === 'drop') this.#verdict(id, NF_DROP)
    else if (fate === 'after-next') connection?.held.set(way, [...held, id])
    else {
      if (fate === 'twice') this.inject(sealed(packet)).catch(error => this.errors.push(error))
      for (const each of [id, ...held]) this.#verdict(each, NF_ACCEPT)
      connection?.held.delete(way)
    }
  }

  #connectionOf(packet: TcpPacket): Connection | undefined {
    const known = this.#connections.get(packet.flowKey()) ?? this.#connections.get(packet.reverseFlowKey())
    if (known || !packet.isSyn) return known
    const { destinationPort: serverPort } = packet
    const connection = { serverPort, copies: new Map(), data: undefined, held: new Map() }
    this.#connections.set(packet.flowKey(), connection)
    return connection
  }

  #verdict(id: number, verdict: number): void {
    this.#queue.verdict(QUEUE, id, verdict)
  }
}

/** The packet alone, its checksums complete: a queued one may lack them. */
export function sealed(packet: TcpPacket): Uint8Array {
  const bytes = packet.copy()
  const { flags, payloadLength } = packet
  const optionsLength = packet.payloadOffset - packet.optionsOffset
  sealPacket(bytes, packet.tcpOffset - packet.ipOffset, { optionsLength, payloadLength, flags })
  return bytes
}

function count(connection: Connection | undefined, packet: TcpPacket) {
  const kind = connection && kindOf(connection, packet)
  if (!kind) return { kind, copy: 1 }
  const copy = (connection.copies.get(kind) ?? 0) + 1
  connection.copies.set(kind, copy)
  return { kind, copy }
}

function kindOf(connection: Connection, packet: TcpPacket): OpeningSegment | undefined {
  if (packet.isSyn) return 'SYN'
  if (packet.isSynAck) return 'SYN-ACK'
  if (packet.hasOverlayOption) return 'ACK'
  if (packet.payloadLength === 0) return undefined
  const place = `${packet.flowKey()} ${packet.sequence}`
  connection.data ??= place
  return connection.data === place ? 'data' : undefined
}
