import type { Isolation, PURuntime } from '@trireme/core'
import { cgroupIDs } from './cgroup-ids.js'
import type { ConnectedSocket } from './netlink/sock-diag.js'
import type { TcpPacket } from './packet/tcp-packet.js'

/** For so long after the first, segments may still come that were queued before the kernel knew of its verdict. */
const IN_FLIGHT_MS = 1000

/**
 * The connections that a PU had before it was enforced. Each is adopted once, by the first of its packets that shows up, and those
 * that were queued together with it; whatever else comes mid-stream belongs to nobody.
 */
export class Adoption {
  readonly #tuples: Set<string>
  /** When each was adopted. */
  readonly #adopted = new Map<string, number>()

  readonly #untilMs: number

  /** @param untilMs when those that wait still are given up; never, by default. */
  constructor(sockets: readonly ConnectedSocket[], untilMs = Number.POSITIVE_INFINITY) {
    this.#untilMs = untilMs
    this.#tuples = new Set(sockets.map(tupleOf))
  }

  /** How many wait. */
  get size(): number {
    return this.#tuples.size
  }

  /** Whether the segment is the `first` of a connection that waits, one `more` of those in flight with it, or none of ours. */
  take(packet: TcpPacket, side: 'app' | 'net', nowMs: number): 'first' | 'more' | undefined {
    const [own, peers] = [packet.flowKey(), packet.reverseFlowKey()]
    const [tuple, opposite] = side === 'app' ? [own, peers] : [peers, own]
    if (nowMs >= this.#untilMs) this.#tuples.clear()
    if (this.#tuples.delete(tuple)) {
      // Where both ends are in the namespace, both sockets are here, and they are one connection.
      const isShared = this.#tuples.delete(opposite)
      for (const each of isShared ? [tuple, opposite] : [tuple]) this.#adopted.set(each, nowMs)
      return 'first'
    }
    const adoptedAt = this.#adopted.get(tuple)
    return adoptedAt !== undefined && Math.abs(nowMs - adoptedAt) < IN_FLIGHT_MS ? 'more' : undefined
  }
}

/** Path of the network namespace in which the PU's sockets are, where that is not this process's own. */
export function socketNamespaceOf(isolation: Isolation): string | undefined {
  if (isolation.by === 'netns') return isolation.path
  return isolation.by === 'interfaces' ? isolation.netns : undefined
}

/** Of the sockets of a network namespace those of the PU: made in its cgroup or by its user, or on one of its ports. */
export function socketsOf(
  { isolation, ports }: PURuntime,
  sockets: readonly ConnectedSocket[],
): readonly ConnectedSocket[] {
  if (isolation.by === 'netns' || isolation.by === 'interfaces') return sockets
  const isOwn = ownership(isolation)
  const isOnPort = ({ localPort }: ConnectedSocket) =>
    ports.some(({ first, last }) => first <= localPort && localPort <= last)
  return sockets.filter(socket => isOwn(socket) || isOnPort(socket))
}

function ownership(
  isolation: Exclude<Isolation, { by: 'netns' | 'interfaces' }>,
): (socket: ConnectedSocket) => boolean {
  switch (isolation.by) {
    case 'cgroup-path': {
      const ids = cgroupIDs(isolation.path)
      return ({ cgroupID }) => cgroupID !== undefined && ids.has(cgroupID)
    }
    case 'net-cls':
      return ({ classID }) => classID === isolation.classID
    case 'owner':
      return ({ uid }) => uid === isolation.uid
    case 'ports':
      return () => false
  }
}

/** The flow key of the packets that leave the socket: see `TcpPacket.flowKey`. */
function tupleOf({ localAddress, localPort, peerAddress, peerPort }: ConnectedSocket): string {
  const key = Buffer.alloc(36)
  key.set(localAddress)
  key.writeUInt16BE(localPort, 16)
  key.set(peerAddress, 18)
  key.writeUInt16BE(peerPort, 34)
  return key.toString('latin1')
}
