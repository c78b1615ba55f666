import { type Isolation, TwoGenerationMap } from '@trireme/core'
import { socketNamespaceOf } from './adoption.js'
import type { PUContext } from './datapath/pu-context.js'
import type { Listening, SocketPacket, Sockets } from './datapath/sockets.js'
import { ListenerOwners } from './listener-owners.js'
import type { FoundSocket } from './netlink/socket-details.js'
import { AF_INET, AF_INET6, isMappedAddress, type SocketEnds, SocketQuery } from './netlink/socket-query.js'

const TCP_LISTEN = 10
/** ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK and CLOSING (`net/tcp_states.h`). */
const CONNECTED: readonly number[] = [1, 4, 5, 8, 9, 11]
/** Listing all listeners takes at most a tenth of the time, however many there are. */
const REST_FACTOR = 9
const REMEMBERED_PORTS = 256

export interface KernelSocketsOptions {
  /** Path of the network namespace, absent for the process's own. */
  readonly netns: string | undefined
  readonly onError: (error: unknown) => void
  /** Opens the kernel's answers; the kernel's by default. */
  readonly openQuery?: (netns: string | undefined) => Pick<SocketQuery, 'find' | 'listeners' | 'close'>
  readonly owners?: ListenerOwners
}

/** The sockets of one network namespace, and of PUs behind its interfaces, by sock_diag. Nothing is opened before it is needed. */
export class KernelSockets implements Sockets {
  readonly #options: KernelSocketsOptions
  readonly #owners: ListenerOwners
  readonly #queries = new Map<string | undefined, Pick<SocketQuery, 'find' | 'listeners' | 'close'>>()
  readonly #listed = new TwoGenerationMap<string, Listed>(REMEMBERED_PORTS)

  constructor(options: KernelSocketsOptions) {
    this.#options = options
    this.#owners = options.owners ?? new ListenerOwners(options.onError)
  }

  listenerOfSyn(pu: PUContext, syn: SocketPacket): Listening | Promise<unknown> {
    if (isAlone(pu.pu.runtime.isolation)) return 'own'
    const ends = endsOf(syn)
    const first = this.#query(undefined).find(ends)
    // A connection, or a SYN of the same ends that waits: it is the listener that answers a new one.
    const found = first && first.state !== TCP_LISTEN ? this.#findListener(ends) : first
    return found ? this.#judge(pu, [found]) : 'no-listener'
  }

  listenerOfAck(pu: PUContext, ack: SocketPacket): Listening | Promise<unknown> {
    if (isAlone(pu.pu.runtime.isolation)) return 'own'
    const ends = endsOf(ack)
    const found = this.#findListener(ends)
    return found ? this.#judge(pu, this.#groupOf(found, ends)) : 'no-listener'
  }

  hasConnection({ pu }: PUContext, segment: SocketPacket): boolean {
    const { isolation } = pu.runtime
    const netns = isolation.by === 'interfaces' ? socketNamespaceOf(isolation) : undefined
    const found = this.#query(netns).find(endsOf(segment, netns !== undefined))
    return found !== undefined && CONNECTED.includes(found.state)
  }

  open({ pu }: PUContext): void {
    const { isolation, ports } = pu.runtime
    if (!isAlone(isolation) && ports.length > 0) this.#query(undefined)
  }

  forget(contextID: string): void {
    this.#owners.forget(contextID)
  }

  close(): void {
    for (const query of this.#queries.values()) query.close()
    this.#queries.clear()
  }

  #judge({ contextID, pu }: PUContext, sockets: readonly FoundSocket[]): Listening | Promise<unknown> {
    let unknown: Promise<void> | undefined
    for (const socket of sockets) {
      const isOwn = this.#owners.isOwn(contextID, pu.runtime, socket)
      if (isOwn === false) return 'foreign-listener'
      if (isOwn !== true) unknown = isOwn
    }
    return unknown ?? 'own'
  }

  #findListener(ends: SocketEnds): FoundSocket | undefined {
    return this.#query(undefined).find({ ...ends, peerPort: 0 })
  }

  /** All that share the listener's address and port: one of them may have its program steer every connection. */
  #groupOf(found: FoundSocket, { localAddress, localPort }: SocketEnds): readonly FoundSocket[] {
    const isBoth = isMappedAddress(localAddress) && found.family === AF_INET
    const key = `${isBoth ? 'both' : found.family} ${localPort}`
    const known = this.#listed.get(key)
    const isGood = known && performance.now() < known.goodUntilMs && known.sockets.some(isSame(found))
    const { sockets } = isGood
      ? known
      : this.#list(key, isBoth ? [AF_INET, AF_INET6] : [found.family], localPort)
    return [found, ...sockets.filter(each => isOfGroup(each, found))]
  }

  #list(key: string, families: readonly number[], port: number): Listed {
    const startedMs = performance.now()
    const sockets = families.flatMap(family => this.#query(undefined).listeners(family, port))
    const endedMs = performance.now()
    const listed = { sockets, goodUntilMs: endedMs + REST_FACTOR * (endedMs - startedMs) }
    this.#listed.set(key, listed)
    return listed
  }

  #query(netns: string | undefined) {
    const known = this.#queries.get(netns)
    if (known) return known
    const { openQuery = SocketQuery.open } = this.#options
    const query = openQuery(netns ?? this.#options.netns)
    this.#queries.set(netns, query)
    return query
  }
}

interface Listed {
  readonly sockets: readonly FoundSocket[]
  /** By `performance.now()`. */
  readonly goodUntilMs: number
}

/** Whether nobody else can listen where the PU may, or the PU is by definition who listens at its ports. */
function isAlone({ by }: Isolation): boolean {
  return by === 'netns' || by === 'interfaces' || by === 'ports'
}

function isSame(found: FoundSocket): (other: FoundSocket) => boolean {
  return ({ cookie }) => cookie === found.cookie
}

/** `inet_reuseport_add_sock` (net/ipv4/inet_hashtables.c): the same address, also in its mapped form, and interface. */
function isOfGroup(other: FoundSocket, found: FoundSocket): boolean {
  return (
    other.interfaceIndex === found.interfaceIndex &&
    Buffer.compare(other.localAddress, found.localAddress) === 0
  )
}

/** @param isElsewhere whether the socket is in another namespace, where interfaces have other numbers. */
function endsOf({ packet, side, interfaceIndex }: SocketPacket, isElsewhere = false): SocketEnds {
  const isOwn = side === 'app'
  return {
    localAddress: isOwn ? packet.source : packet.destination,
    localPort: isOwn ? packet.sourcePort : packet.destinationPort,
    peerAddress: isOwn ? packet.destination : packet.source,
    peerPort: isOwn ? packet.destinationPort : packet.sourcePort,
    interfaceIndex: isElsewhere ? 0 : interfaceIndex,
  }
}
