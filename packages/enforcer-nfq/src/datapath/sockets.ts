import type { TcpPacket } from '../packet/tcp-packet.js'
import type { PUContext } from './pu-context.js'

/** Who would take a connection: a process of the PU, another one, or nobody. */
export type Listening = 'own' | 'foreign-listener' | 'no-listener'

/** A packet of one end of a connection, from which the kernel tells the sockets at either end. */
export interface SocketPacket {
  readonly packet: TcpPacket
  /** `app`: the packet leaves the socket in question. `net`: it is about to enter it. */
  readonly side: 'app' | 'net'
  readonly interfaceIndex: number
}

/** The kernel's sockets, as they are at the moment of the question. */
export interface Sockets {
  /**
   * Whose socket would take the SYN. A promise where that is not known at once: ask again when it has settled. Throws
   * `KernelError`.
   */
  listenerOfSyn(pu: PUContext, syn: SocketPacket): Listening | Promise<unknown>
  /**
   * The same for the segment that ends a handshake: the kernel finds its request by then, so all are asked about that may have
   * taken its SYN, each member of a SO_REUSEPORT group.
   */
  listenerOfAck(pu: PUContext, ack: SocketPacket): Listening | Promise<unknown>
  /** Whether a socket of the namespace has exactly the packet's ends, and its handshake behind it. Throws `KernelError`. */
  hasConnection(pu: PUContext, segment: SocketPacket): boolean
  /** Readies what is asked for the PU. Throws `KernelError` where the kernel cannot answer. */
  open(pu: PUContext): void
  /** Forgets what was known of the PU. */
  forget(contextID: string): void
  close(): void
}
