import {
  DENY_ALL,
  type FlowRecord,
  formatAddress,
  type Handshake,
  HandshakeSet,
  PACKET_MARK_MASK,
  type PUPolicy,
  type PURuntime,
  pskSecrets,
  refuseCommand,
  type SecretSuite,
  type Secrets,
  type Tags,
  type TokenEngine,
} from '@trireme/core'
import type { ManualClock } from '@trireme/core/testing'
import { LiveNetworks } from '../../live-networks.js'
import { NamespaceDatapath } from '../../namespace-datapath.js'
import { writeReset } from '../../packet/reset.js'
import { TcpPacket } from '../../packet/tcp-packet.js'
import { NF_ACCEPT, NF_DROP, NF_INET_LOCAL_IN, NF_INET_LOCAL_OUT, NF_REPEAT } from '../../queue.js'
import {
  type InMemoryPacketQueue,
  type InMemoryVerdict,
  openInMemoryPacketQueue,
} from '../../queue-in-memory.js'
import type { TcpOption } from '../../testing/index.js'
import { OWN_SOCKETS } from '../../testing/own-sockets.js'
import type { BindMode } from '../path.js'
import { PUContext } from '../pu-context.js'
import { Reporter } from '../reporter.js'
import type { SocketPacket, Sockets } from '../sockets.js'
import { hmacTokenEngine } from './hmac-token-engine.js'
import { simulatedConnections } from './simulated-connections.js'
import { applyRules, type ConntrackEntry } from './simulated-rules.js'
import { SimulatedTcp } from './simulated-tcp.js'

const FLOW_QUEUE = 4096

export interface SimulatedHostOptions {
  readonly name: string
  readonly addresses: readonly string[]
  readonly clock: ManualClock
  readonly toWire: (host: SimulatedHost, bytes: Uint8Array) => void
  readonly authorization?: 'mutual' | 'receiver'
  readonly bind?: BindMode
  /** Addresses of the host that are no interface's. */
  readonly hostAliases?: readonly string[]
  /** 32 bytes of this value are the pre-shared key. Default 7. */
  readonly psk?: number
  /** Instead of `psk` and `engine`: what the node sends, and what it accepts besides. */
  readonly suites?: readonly SecretSuite[]
  /** Wraps the engine, to make it slow or wrong. */
  readonly engine?: (engine: TokenEngine) => TokenEngine
  readonly showsStateBefore?: boolean
  /** What SYNs and SYN-ACKs of its kernel carry. Default: Linux's. */
  readonly synOptions?: readonly TcpOption[]
  /** What the kernel says of single sockets. Default: every listener is the PU's, and connections are its own sockets'. */
  readonly sockets?: Partial<Sockets>
  /** Whether the kernel can end sockets. Default true. */
  readonly canEndSockets?: boolean
  /** Sees each packet while it waits for its verdict. */
  readonly onQueued?: (host: SimulatedHost, bytes: Uint8Array) => void
  /** Without an enforcer every packet passes untouched. Default true. */
  readonly isEnforced?: boolean
  /** Milliseconds since 1970 by the host's own clock, which may be set; that of the simulation by default. */
  readonly wallClock?: () => number
}

export interface SimulatedPU {
  readonly id: string
  readonly identity: Tags
  readonly ports?: readonly number[]
  readonly aliases?: readonly string[]
  /** Default: by a control group that has its name. */
  readonly isolation?: PURuntime['isolation']
  readonly policy?: Partial<PUPolicy>
}

interface MarkedBytes {
  readonly bytes: Uint8Array
  readonly mark: number
}

interface Waiting {
  readonly direction: 'in' | 'out'
  readonly bytes: Uint8Array
  readonly entry: ConntrackEntry
  readonly isLoopback: boolean
}

/** One network namespace: sockets, conntrack with its marks, the rules, and the enforcer's data path on an in-memory queue. */
export class SimulatedHost {
  readonly name: string
  readonly tcp: SimulatedTcp
  readonly datapath: NamespaceDatapath
  readonly handshakes: HandshakeSet
  readonly secrets: Secrets
  readonly records: FlowRecord[] = []
  readonly errors: unknown[] = []
  /** By the flow key of either direction. */
  readonly conntrack = new Map<string, ConntrackEntry>()
  /** Whose a local port is. */
  readonly ports = new Map<number, string>()
  readonly #options: SimulatedHostOptions
  readonly #networks = new LiveNetworks(['0.0.0.0/0', '::/0'])
  #filterQueue = { flowQueue: FLOW_QUEUE, commands: { key: 21, epoch: 3 } }
  readonly #queues = new Map<string, number>()
  readonly #waiting = new Map<string, Waiting>()
  #queue!: InMemoryPacketQueue
  #seenVerdicts = 0

  constructor(options: SimulatedHostOptions) {
    const { name, clock, authorization = 'mutual', psk = 7, engine = same => same } = options
    this.#options = options
    this.name = name
    const firstISN = Buffer.from(name.padStart(4)).readUInt32BE(name.length - 4)
    const { synOptions } = options
    this.tcp = new SimulatedTcp({
      transmit: bytes => this.output(bytes),
      setTimer: clock.setTimer,
      firstISN,
      ...(synOptions && { synOptions }),
    })
    this.secrets = pskSecrets({ key: new Uint8Array(32).fill(psk) })
    const onError = (error: unknown) => void this.errors.push(error)
    const own = { secrets: this.secrets, tokenEngine: engine(hmacTokenEngine(this.secrets)) }
    this.handshakes = new HandshakeSet(options.suites ?? [own], {
      serverID: name,
      now: options.wallClock ?? clock.now,
      onError: (_, error) => onError(error),
    })
    this.handshakes.listen()
    const collector = {
      collectFlowEvent: (record: FlowRecord) => void this.records.push(record),
      collectPUEvent: () => {},
    }
    const hasConnection = (_: unknown, { packet, side }: SocketPacket) =>
      simulatedConnections(this)
        .sockets()
        .some(({ key }) => key === (side === 'app' ? packet.flowKey() : packet.reverseFlowKey()))
    this.datapath = new NamespaceDatapath({
      handshakes: this.handshakes,
      authorization,
      ...(options.bind && { bind: options.bind }),
      ...(options.hostAliases && { aliases: options.hostAliases }),
      triremeNetworks: this.#networks,
      reporter: new Reporter(collector, options.wallClock ?? clock.now, clock.now),
      filterQueue: this.#filterQueue,
      now: clock.now,
      onError,
      openConnections: () => simulatedConnections(this, options.canEndSockets),
      openSockets: () => ({ ...OWN_SOCKETS, hasConnection, ...options.sockets }),
      openQueue: queueOptions => (this.#queue = openInMemoryPacketQueue(queueOptions)),
    })
  }

  /** The one in which this node's PUs connect. */
  get handshake(): Handshake {
    return this.handshakes.sending
  }

  /** Enforces a PU, or changes its policy; the rules follow at once. */
  async enforce(pu: SimulatedPU, mayRevoke = false): Promise<void> {
    await this.decideBy(pu, mayRevoke)
    this.supervise()
  }

  /** Moves the trireme networks, which are everything at first. */
  moveNetworks(networks: readonly string[]): void {
    this.#networks.replace(networks)
    this.datapath.networksMoved()
  }

  /** Brings the rules of the enforcer's epoch into force. */
  supervise(): void {
    const { flowQueue, commands } = this.#filterQueue
    this.#filterQueue = { flowQueue, commands: { ...commands, epoch: this.datapath.epoch } }
  }

  /** The enforcer's half of `enforce`. */
  async decideBy(pu: SimulatedPU, mayRevoke = false): Promise<void> {
    const policy = { ...DENY_ALL, managementID: pu.id, identity: pu.identity, ...pu.policy }
    const runtime: PURuntime = {
      kind: 'linux-process',
      name: pu.id,
      tags: pu.identity,
      ports: (pu.ports ?? []).map(port => ({ first: port, last: port })),
      aliases: pu.aliases ?? [],
      isolation: pu.isolation ?? { by: 'cgroup-path', path: pu.id },
    }
    const queue = this.#queues.get(pu.id) ?? FLOW_QUEUE + 1 + this.#queues.size
    await this.handshakes.add(pu.id, { puID: pu.id, tags: pu.identity })
    const known = this.datapath.pu(pu.id)
    this.datapath.setPU(
      queue,
      new PUContext({ contextID: pu.id, runtime, policy }, known?.counters),
      mayRevoke,
    )
    this.#queues.set(pu.id, queue)
    for (const port of pu.ports ?? []) this.ports.set(port, pu.id)
  }

  /** The rules that point at the PU go first. */
  unenforce(id: string): void {
    const queue = this.#queues.get(id)!
    this.#queues.delete(id)
    this.handshakes.remove(id)
    this.datapath.removePU(queue, id)
  }

  counters(id: string): Readonly<Record<string, number>> {
    return { ...this.datapath.counters.snapshot(), ...this.datapath.pu(id)?.counters.snapshot() }
  }

  /** The entry of a connection, by the flow key of either direction. */
  entryOf(packet: TcpPacket): ConntrackEntry {
    const known = this.conntrack.get(packet.flowKey()) ?? this.conntrack.get(packet.reverseFlowKey())
    if (known) return known
    const entry = { mark: 0, original: packet.flowKey(), isConfirmed: false }
    this.conntrack.set(entry.original, entry)
    return entry
  }

  /** A packet of a local socket, or of one that forges. */
  output(bytes: Uint8Array): void {
    this.#traverse('out', bytes, 0)
  }

  /** A packet from the wire. */
  input(bytes: Uint8Array): void {
    this.#traverse('in', bytes, 0)
  }

  /** Carries out the verdicts that an asynchronous engine delayed. */
  drain(): void {
    while (this.#seenVerdicts < this.#queue.verdicts.length) {
      const verdict = this.#queue.verdicts[this.#seenVerdicts++]!
      const key = `${verdict.queue} ${verdict.id}`
      const waiting = this.#waiting.get(key)
      this.#waiting.delete(key)
      if (waiting) this.#carryOut(verdict, waiting)
    }
  }

  #traverse(direction: 'in' | 'out', bytes: Uint8Array, mark: number): void {
    const packet = new TcpPacket()
    if (packet.parse(bytes, 0, bytes.length)) return
    if (this.#options.isEnforced === false) this.#deliver(direction, bytes)
    else this.#judge(direction, packet, { bytes, mark })
  }

  #judge(direction: 'in' | 'out', packet: TcpPacket, { bytes, mark }: MarkedBytes): void {
    const entry = this.entryOf(packet)
    const owner = this.ports.get(direction === 'out' ? packet.sourcePort : packet.destinationPort)
    const isLoopback = this.has(formatAddress(packet.source)) && this.has(formatAddress(packet.destination))
    const waiting = { direction, bytes, entry, isLoopback }
    const verdict = applyRules({
      direction,
      packet,
      entry,
      isLoopback,
      mark,
      filterQueue: this.#filterQueue,
      puQueue: owner === undefined ? undefined : this.#queues.get(owner),
      showsStateBefore: this.#options.showsStateBefore ?? true,
    })
    if (verdict.action === 'queue') this.#enqueue(waiting, verdict.queue, verdict.mark)
    else if (verdict.action === 'accept') this.#pass(waiting)
    else this.#forget(entry)
  }

  #enqueue(waiting: Waiting, queue: number, mark: number): void {
    const hook = waiting.direction === 'out' ? NF_INET_LOCAL_OUT : NF_INET_LOCAL_IN
    const { isLoopback, bytes } = waiting
    this.#options.onQueued?.(this, bytes)
    const id = this.#queue.inject({ queue, hook, mark, isLoopback, bytes })
    this.#waiting.set(`${queue} ${id}`, waiting)
    this.drain()
  }

  #carryOut(verdict: InMemoryVerdict, waiting: Waiting): void {
    const bytes = verdict.payload ?? waiting.bytes
    const mark = verdict.mark ?? 0
    if (verdict.verdict === NF_DROP) this.#forget(waiting.entry)
    else if (verdict.verdict === NF_REPEAT) this.#traverse(waiting.direction, bytes, mark)
    else if (verdict.verdict !== NF_ACCEPT) throw new Error(`verdict ${verdict.verdict}`)
    else if ((mark & PACKET_MARK_MASK) >>> 0 === refuseCommand(this.#filterQueue.commands))
      this.#reject({ ...waiting, bytes })
    else if ((mark & PACKET_MARK_MASK) !== 0)
      throw new Error(`mark ${mark.toString(16)} leaves with a packet`)
    else this.#pass({ ...waiting, bytes })
  }

  #pass({ direction, bytes, entry }: Waiting): void {
    entry.isConfirmed = true
    this.#deliver(direction, bytes)
  }

  #deliver(direction: 'in' | 'out', bytes: Uint8Array): void {
    if (direction === 'in') this.tcp.receive(bytes)
    else this.#options.toWire(this, bytes)
  }

  /** REJECT --reject-with tcp-reset: to the sender, by the way on which every packet goes. */
  #reject({ direction, bytes, entry }: Waiting): void {
    const packet = new TcpPacket()
    packet.parse(bytes, 0, bytes.length)
    const out = new Uint8Array(200)
    const length = writeReset(packet, out, true)
    this.#forget(entry)
    if (typeof length !== 'number') return
    if (direction === 'in') this.output(out.slice(0, length))
    else this.input(out.slice(0, length))
  }

  /** A connection whose first packet was dropped never was. */
  #forget(entry: ConntrackEntry): void {
    if (!entry.isConfirmed) this.conntrack.delete(entry.original)
  }

  has(address: string): boolean {
    return this.#options.addresses.includes(address)
  }
}

/** Where a packet goes. */
export function destinationOf(bytes: Uint8Array): string {
  const packet = new TcpPacket()
  packet.parse(bytes, 0, bytes.length)
  return formatAddress(packet.destination)
}
