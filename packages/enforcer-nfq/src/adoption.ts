import type { Isolation, PURuntime } from '@trireme/core'
import { cgroupIDs } from './cgroup-ids.js'
import type { ConnectedSocket } from './netlink/sock-diag.js'
import type { TcpPacket } from './packet/tcp-packet.js'

/**
 * The connections that a PU had before it was enforced. Each is adopted once, by the first of its packets that shows up; whatever
 * else comes mid-stream belongs to nobody.
 */
export class Adoption {
  readonly #tuples: Set<string>

  constructor(sockets: readonly ConnectedSocket[]) {
    this.#tuples = new Set(sockets.map(tupleOf))
  }

  /** How many wait. */
  get size(): number {
    return this.#tuples.size
  }

  /** Whether the segment belongs to a connection that waits; it does not wait any longer. */
  take(packet: TcpPacket, side: 'app' | 'net'): boolean {
    const [own, peers] = [packet.flowKey(), packet.reverseFlowKey()]
    const isKnown = this.#tuples.delete(side === 'app' ? own : peers)
    // Where both ends are in the namespace, both sockets are here, and they are one connection.
    if (isKnown) this.#tuples.delete(side === 'app' ? peers : own)
    return isKnown
  }
}

/** Of the sockets of a network namespace those of the PU: made in its cgroup or by its user, or on one of its ports. */
export function socketsOf(
  { isolation, ports }: PURuntime,
  sockets: readonly ConnectedSocket[],
): readonly ConnectedSocket[] {
  if (isolation.by === 'netns') return sockets
  const isOwn = ownership(isolation)
  const isOnPort = ({ localPort }: ConnectedSocket) =>
    ports.some(({ first, last }) => first <= localPort && localPort <= last)
  return sockets.filter(socket => isOwn(socket) || isOnPort(socket))
}

function ownership(isolation: Exclude<Isolation, { by: 'netns' }>): (socket: ConnectedSocket) => boolean {
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
