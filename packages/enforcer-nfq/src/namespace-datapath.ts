import {
  type CompiledNetworks,
  type DropReason,
  epochOfMark,
  type FilterQueue,
  foreignMark,
  type HandshakeSet,
  type PacketProcessor,
  parseKernelDecision,
  refuseCommand,
  setStateCommand,
  stateOfMark,
} from '@trireme/core'
import type { Adoption } from './adoption.js'
import { type Connections, type ConnectionsOptions, openConnections, withSocketsOf } from './connections.js'
import type { Arrival } from './datapath/arrival.js'
import { Counters } from './datapath/counters.js'
import { decide } from './datapath/datapath.js'
import { type LiveFlow, LiveFlows } from './datapath/live-flows.js'
import { LocalAddresses } from './datapath/local-addresses.js'
import { type BindMode, ownerOf, type Path } from './datapath/path.js'
import type { PUContext } from './datapath/pu-context.js'
import { PUTable } from './datapath/pu-table.js'
import { Refusals } from './datapath/refusals.js'
import { ReplayFilter } from './datapath/replay-filter.js'
import { type Reporter, reportDisplaced } from './datapath/reporter.js'
import { ResetLimits } from './datapath/reset-limits.js'
import type { Sockets } from './datapath/sockets.js'
import { Sources } from './datapath/sources.js'
import { ClientHandshakes } from './datapath/tables/client-handshakes.js'
import { ServerHandshakes } from './datapath/tables/server-handshakes.js'
import { drop, type Verdict } from './datapath/verdict.js'
import { decideMidStream } from './decide-mid-stream.js'
import { Epochs } from './epochs.js'
import { type HeldPacket, HeldPackets } from './held-packets.js'
import { flowKeyOf, reportKernelDecision } from './kernel-decisions.js'
import { KernelSockets, type KernelSocketsOptions } from './kernel-sockets.js'
import { readEnds } from './packet/logged-packet.js'
import { TcpPacket } from './packet/tcp-packet.js'
import { PacketProcessing } from './packet-processing.js'
import {
  type LoggedPacket,
  NF_ACCEPT,
  NF_DROP,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  NF_REPEAT,
  openPacketQueue,
  type PacketQueue,
  type PacketQueueOptions,
  type QueuedPacket,
} from './queue.js'
import { Settlement } from './settlement.js'

const MAX_PACKET_BYTES = 66_048
const MAX_HELD_PACKETS = 2048
const HOLD_TIMEOUT_MS = 1000

export interface NamespaceDatapathOptions {
  readonly handshakes: HandshakeSet
  readonly authorization: 'mutual' | 'receiver'
  /** Default `strict`. */
  readonly bind?: BindMode
  /** By which others reach the host though no interface has them. Default none. */
  readonly aliases?: readonly string[]
  readonly reporter: Reporter
  /** Its epoch is that of connections that are decided now; `setPU` may advance it. */
  readonly filterQueue: FilterQueue
  readonly triremeNetworks: CompiledNetworks
  /** Milliseconds that only grow. */
  readonly now: () => number
  readonly onError: (error: unknown) => void
  /** The user's own step; none by default. */
  readonly processor?: PacketProcessor
  /** Path of the network namespace, absent for the process's own. */
  readonly netns?: string
  /** Opens the queue; the kernel's by default. */
  readonly openQueue?: (options: PacketQueueOptions) => PacketQueue
  /** Opens the kernel's lists of connections and sockets; the kernel's by default. */
  readonly openConnections?: (options: ConnectionsOptions) => Connections
  /** Asks the kernel about single sockets; the kernel by default. */
  readonly openSockets?: (options: KernelSocketsOptions) => Sockets
  /** What an earlier process knew of the namespace's live flows. */
  readonly liveFlows?: readonly LiveFlow[]
  /** Hears of each connection that an identity was let through on. */
  readonly onLiveFlow?: (flow: LiveFlow) => void
}

/** The queue and the data path of one network namespace: packets in, verdicts with marks out. */
export class NamespaceDatapath {
  readonly #options: NamespaceDatapathOptions
  readonly #path: Path
  readonly #queue: PacketQueue
  readonly #packet = new TcpPacket()
  readonly #held: HeldPackets
  readonly #refusals: Refusals
  readonly #settlement: Settlement
  readonly #processing: PacketProcessing | undefined
  /** By queue number. */
  readonly #adoptions = new Map<number, Adoption>()
  readonly #epochs: Epochs
  /** Of packets that belong to no PU. */
  readonly counters = new Counters()

  /** Opens and binds the flow queue. Throws `KernelError`. */
  constructor(options: NamespaceDatapathOptions) {
    const { handshakes, authorization, reporter, triremeNetworks, now, onError, netns } = options
    const { bind = 'strict', aliases = [] } = options
    this.#options = options
    const openSockets = options.openSockets ?? (each => new KernelSockets(each))
    this.#path = {
      handshakes,
      authorization,
      bind,
      reporter,
      triremeNetworks,
      now,
      pus: new PUTable(),
      clients: new ClientHandshakes(flow => reportDisplaced(reporter, flow, 'client')),
      servers: new ServerHandshakes(flow => reportDisplaced(reporter, flow, 'server')),
      live: new LiveFlows(options.onLiveFlow),
      settleSoon: () => this.#epochs.settleSoon(),
      replays: new ReplayFilter(),
      addresses: new LocalAddresses(now, { aliases }),
      sockets: openSockets({ netns, onError }),
      resets: new ResetLimits(),
      sources: new Sources(),
      answerers: new Sources(),
      out: new Uint8Array(MAX_PACKET_BYTES),
    }
    // Of another process's clock.
    const addedAtMs = Number.NEGATIVE_INFINITY
    for (const flow of options.liveFlows ?? []) this.#path.live.restore({ ...flow, addedAtMs })
    this.#refusals = new Refusals(this.#path)
    this.#processing = options.processor && new PacketProcessing(options.processor, onError)
    const openConnectionsOf = options.openConnections ?? openConnections
    this.#settlement = new Settlement(this.#path, () => {
      const host = openConnectionsOf(netns === undefined ? {} : { netns })
      return this.#withPUSockets(host, openConnectionsOf)
    })
    const settlement = this.#settlement
    this.#epochs = new Epochs({ first: options.filterQueue.commands.epoch, settlement, onError, now })
    this.#held = new HeldPackets({
      maxPackets: MAX_HELD_PACKETS,
      timeoutMs: HOLD_TIMEOUT_MS,
      onReady: (packet, isTimeout) => this.#decideHeld(packet, isTimeout),
    })
    const onPacket = (packet: QueuedPacket) => this.#decide(packet)
    const open = options.openQueue ?? openPacketQueue
    const onLogged = (packet: LoggedPacket) => this.#noteLogged(packet)
    this.#queue = open({ onPacket, onLogged, onError, ...(netns === undefined ? {} : { netns }) })
    try {
      this.#queue.bind(options.filterQueue.flowQueue)
      this.#queue.bindLog(options.filterQueue.flowQueue)
    } catch (error) {
      this.#queue.close()
      throw error
    }
  }

  pu(contextID: string): PUContext | undefined {
    return this.#path.pus.byContext(contextID)
  }

  /** The epoch of connections that are decided now. */
  get epoch(): number {
    return this.#epochs.current
  }

  /** Of the connections that identities were let through on. */
  liveFlows(): Iterable<LiveFlow> {
    return this.#path.live.values()
  }

  /**
   * Adds or replaces a PU; a new one's queue is bound. Where that may revoke what was allowed, connections are decided in the next
   * epoch from now on, and those of before are decided again. Throws `KernelError`.
   */
  setPU(queueNumber: number, pu: PUContext, mayRevoke = false): void {
    const { pus, sockets } = this.#path
    sockets.open(pu)
    const next = mayRevoke ? this.#epochs.next(pus.all()) : this.epoch
    if (!pus.byQueue(queueNumber)) this.#queue.bind(queueNumber)
    pus.set(queueNumber, pu)
    this.#epochs.enter(next)
  }

  /** The trireme networks have moved: connections that would not be allowed now are ended. */
  networksMoved(): void {
    this.#epochs.networksMoved()
  }

  /**
   * Ends and forgets what was decided of connections from and to addresses that have a new owner or none: see `ownAddresses`. Throws
   * `KernelError`.
   */
  forgetAddresses(addresses: ReadonlySet<string>): void {
    this.#settlement.forgetAddresses(addresses)
  }

  /** The PU whose own the address is, one of `ownAddresses`. */
  ownerOf(address: string): PUContext | undefined {
    return this.#path.pus.byAddress(Buffer.from(address, 'latin1'))
  }

  removePU(queueNumber: number, contextID: string): void {
    this.#path.pus.remove(queueNumber, contextID)
    this.#adoptions.delete(queueNumber)
    this.#path.clients.removePU(contextID)
    this.#path.servers.removePU(contextID)
    this.#path.sockets.forget(contextID)
    this.#held.forget(queueNumber)
    this.#queue.unbind(queueNumber)
  }

  /** Connections of the PU that began before it was enforced; none without. */
  setAdoption(queueNumber: number, adoption: Adoption): void {
    this.#adoptions.set(queueNumber, adoption)
  }

  /** How many connections of the PU wait to be adopted. */
  adoptable(queueNumber: number): number {
    return this.#adoptions.get(queueNumber)?.size ?? 0
  }

  sweep(): void {
    this.#path.clients.sweep(this.#path.now())
    this.#path.servers.sweep(this.#path.now())
    if (this.#path.live.size > 0) this.#epochs.sweep()
  }

  stats() {
    const { clients, servers } = this.#path
    const handshakes = clients.size + servers.size
    const finished = clients.finished + servers.finished
    return { ...this.#queue.stats(), handshakes, finished, held: this.#held.size }
  }

  close(): void {
    this.#epochs.close()
    this.#held.clear()
    this.#path.sockets.close()
    this.#queue.close()
  }

  #decide(queued: QueuedPacket): void {
    const pu = this.#path.pus.byQueue(queued.queue)
    const verdict = queued.isTruncated ? drop('format') : this.#judge(queued, pu)
    if (verdict.action !== 'hold') this.#apply(queued, verdict, pu)
    else if (!this.#held.hold(queued, verdict.until)) this.#apply(queued, drop('overload'), pu)
  }

  /** A PU whose namespace is gone has no sockets any more. */
  #withPUSockets(host: Connections, open: (options: ConnectionsOptions) => Connections): Connections {
    const opened: Connections[] = []
    for (const { pu } of this.#path.pus.all()) {
      const { isolation } = pu.runtime
      if (isolation.by !== 'interfaces') continue
      try {
        opened.push(open({ netns: isolation.netns }))
      } catch (error) {
        this.#options.onError(error)
      }
    }
    return opened.length === 0 ? host : withSocketsOf(host, opened)
  }

  /** What the kernel decided alone says so; what says nothing is a reset. */
  #noteLogged({ data, offset, length, hook, prefix }: LoggedPacket): void {
    if (prefix === '') {
      if (!this.#packet.parse(data, offset, length)) this.#refusals.note(this.#packet)
      return
    }
    const decision = parseKernelDecision(prefix)
    const pu = decision && this.#path.pus.byQueue(decision.queueNumber)
    const ends = readEnds(data, offset, length)
    if (!decision || !pu || !ends) return
    const side = sideOf({ hook })
    const { outcome } = decision
    reportKernelDecision(this.#path.reporter, { pu, outcome, ends, side })
    if (ends.protocol !== 'tcp' || (outcome !== 'accept' && outcome !== 'observe')) return
    const [{ contextID }, role, key] = [pu, side === 'app' ? 'client' : 'server', flowKeyOf(ends)] as const
    this.#path.live.add({ role, key, contextID, peer: undefined, addedAtMs: this.#path.now() })
  }

  #decideHeld(held: HeldPacket, isTimeout: boolean): void {
    const pu = this.#path.pus.byQueue(held.queue)
    const packet = { ...held, data: held.bytes, offset: 0, length: held.bytes.length }
    const verdict = isTimeout ? drop('timeout') : this.#judge(packet, pu, true)
    if (verdict.action !== 'hold') this.#apply(packet, verdict, pu)
    else if (!this.#held.holdAgain(held, verdict.until)) this.#apply(packet, drop('internal'), pu)
  }

  /** A defect drops the packet and is told of; nothing else happens. */
  #judge(queued: Queued, pu: PUContext | undefined, isHeld = false): Verdict {
    try {
      return this.#verdict(queued, pu, isHeld)
    } catch (error) {
      this.#options.onError(error)
      return drop('internal')
    }
  }

  #verdict(queued: Queued, pu: PUContext | undefined, isHeld: boolean): Verdict {
    const packet = this.#packet
    if (packet.parse(queued.data, queued.offset, queued.length)) return drop('format')
    const arrival: Arrival = {
      packet,
      side: sideOf(queued),
      isLoopback: queued.isLoopback,
      interfaceIndex: queued.interfaceIndex,
      sharesEntry: queued.isLoopback || this.#hasBothEnds(packet),
      pu,
      state: stateOfMark(queued.mark),
      isCurrentEpoch: epochOfMark(queued.mark) === this.epoch,
    }
    const veto = isHeld ? undefined : this.#processing?.before(arrival)
    if (veto) return veto
    const verdict = this.#decideArrival(arrival, this.#adoptions.get(queued.queue))
    if (verdict.action === 'hold' || !this.#processing) return verdict
    return this.#processing.after(this.#path, arrival, verdict)
  }

  /** Whether both ends are this host's, or PUs behind its interfaces: without such PUs only the loopback joins two ends. */
  #hasBothEnds({ source, destination }: TcpPacket): boolean {
    const { pus, addresses } = this.#path
    const isHere = (address: Uint8Array) => pus.byAddress(address) !== undefined || addresses.has(address)
    return pus.hasAddresses && isHere(source) && isHere(destination)
  }

  #decideArrival(arrival: Arrival, adoption: Adoption | undefined): Verdict {
    const { pu, state, packet } = arrival
    const isMidStream = pu && state === 'none' && !packet.isSyn
    if (isMidStream) return decideMidStream(this.#path, pu, arrival, adoption)
    return decide(this.#path, arrival)
  }

  /** The private field of the packet mark never leaves with a packet unless it is a command. */
  #apply(queued: Queued & Pick<QueuedPacket, 'id'>, verdict: Verdict, pu: PUContext | undefined): void {
    const commands = { key: this.#options.filterQueue.commands.key, epoch: this.epoch }
    const mark = foreignMark(queued.mark)
    const reason = verdict.action === 'hold' ? 'internal' : 'reason' in verdict ? verdict.reason : undefined
    if (reason) this.#countDrop(queued, reason, pu)
    if (verdict.action === 'accept' || verdict.action === 'reset')
      this.#pass(queued, NF_ACCEPT, mark, verdict.length)
    else if (verdict.action === 'set') {
      this.#pass(queued, NF_REPEAT, (mark | setStateCommand(commands, verdict.state)) >>> 0, verdict.length)
    } else if (verdict.action === 'refuse' && queued.hook === NF_INET_POST_ROUTING) {
      // REJECT is not for POSTROUTING, and what is accepted there leaves.
      this.#queue.verdict(queued.queue, queued.id, NF_DROP)
    } else if (verdict.action === 'refuse') {
      this.#pass(queued, NF_ACCEPT, (mark | refuseCommand(commands)) >>> 0, verdict.length)
    } else this.#queue.verdict(queued.queue, queued.id, NF_DROP)
  }

  /** At the PU whose packet it is; what nobody knows the PU of counts for the namespace. */
  #countDrop(queued: Queued, reason: DropReason, pu: PUContext | undefined): void {
    const packet = this.#packet
    const isReadable = pu === undefined && !packet.parse(queued.data, queued.offset, queued.length)
    const owner = isReadable ? ownerOf(this.#path, { packet, side: sideOf(queued), pu }) : pu
    ;(owner?.counters ?? this.counters).count(`drop.${reason}`)
  }

  #pass(queued: Pick<QueuedPacket, 'queue' | 'id'>, verdict: number, mark: number, length: number): void {
    if (length === 0) this.#queue.verdict(queued.queue, queued.id, verdict, mark)
    else this.#queue.verdict(queued.queue, queued.id, verdict, mark, this.#path.out, length)
  }
}

type Queued = Pick<
  QueuedPacket,
  'queue' | 'data' | 'offset' | 'length' | 'hook' | 'mark' | 'isLoopback' | 'interfaceIndex'
>

/** A packet that enters the host's PREROUTING comes from a PU behind an interface. */
function sideOf({ hook }: Pick<QueuedPacket, 'hook'>): 'app' | 'net' {
  return hook === NF_INET_LOCAL_OUT || hook === NF_INET_PRE_ROUTING ? 'app' : 'net'
}
