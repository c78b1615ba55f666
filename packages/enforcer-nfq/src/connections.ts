import { openKernelConnections } from './netlink/kernel-connections.js'

/** An entry of the kernel's connection table that a state of ours is on. */
export interface Connection {
  /** `IPPROTO_TCP` and so on. */
  readonly protocol: number
  /** The entry's whole mark. */
  readonly mark: number
  /** Client's and server's address and port as a flow key, as the client's packets leave it. */
  readonly asClient: string
  /** The same as the server's end sees them, behind a translation of the destination. */
  readonly asServer: string
}

/** A TCP socket with a peer, by the flow key of the packets that it sends. */
export interface ListedSocket {
  readonly key: string
}

/** Connections and sockets of one network namespace, as the kernel lists them. */
export interface Connections {
  /** Entries whose state is decided or SENT. Throws `KernelError`. */
  list(): readonly Connection[]
  /** All sockets of TCP but those that listen. Throws `KernelError`. */
  sockets(): readonly ListedSocket[]
  /**
   * Flips these bits of the entries' marks, whatever the other bits are by now: a state that changed meanwhile is not undone. An
   * entry that is gone is left so.
   */
  flip(connections: readonly Connection[], bits: number): void
  /** Forgets the entries, if they are the same still. */
  forget(connections: readonly Connection[]): void
  /** Ends the sockets; their peers hear of a reset. False where the kernel cannot. */
  end(sockets: readonly ListedSocket[]): boolean
  close(): void
}

export interface ConnectionsOptions {
  /** Path of the network namespace; absent: the process's own. */
  readonly netns?: string
}

/**
 * The connections of one namespace, with the sockets of others beside its own: of PUs behind its interfaces. Closing it closes all.
 */
export function withSocketsOf(host: Connections, others: readonly Connections[]): Connections {
  const all = [host, ...others]
  const owners = new Map<ListedSocket, Connections>()
  return {
    list: () => host.list(),
    sockets: () =>
      all.flatMap(owner => {
        const sockets = owner.sockets()
        for (const socket of sockets) owners.set(socket, owner)
        return sockets
      }),
    flip: (connections, bits) => host.flip(connections, bits),
    forget: connections => host.forget(connections),
    // Each is asked, also after one that cannot.
    end: sockets =>
      all.map(owner => owner.end(sockets.filter(each => owners.get(each) === owner))).every(Boolean),
    close: () => {
      for (const each of all) each.close()
    },
  }
}

/** Opens two netlink sockets in the namespace. Throws `KernelError`. */
export function openConnections(options: ConnectionsOptions): Connections {
  return openKernelConnections(options)
}
