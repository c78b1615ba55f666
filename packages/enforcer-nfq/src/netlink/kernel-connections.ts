import { DECIDED_BIT, KernelError, STATE_MASK, stateMark } from '@trireme/core'
import type { Connection, Connections, ConnectionsOptions, ListedSocket } from '../connections.js'
import {
  type ConntrackEntry,
  type ConntrackTuple,
  conntrackDeleteMessage,
  conntrackDumpMessage,
  conntrackFlipMessage,
  parseConntrack,
} from './conntrack.js'
import { NETLINK_NETFILTER } from './message.js'
import { NetlinkSocket } from './socket.js'
import {
  type DiagSocket,
  NETLINK_SOCK_DIAG,
  parseSocket,
  socketDestroyMessage,
  socketDumpMessage,
} from './socket-end.js'

const AF_INET = 2
const AF_INET6 = 10
/** The entry or the socket is gone: what was asked for is so. */
const GONE: readonly string[] = ['ENOENT', 'ESTALE']

/** Connections and sockets over ctnetlink and sock_diag; see `openConnections`. */
export function openKernelConnections({ netns }: ConnectionsOptions): Connections {
  const conntrack = NetlinkSocket.open({ protocol: NETLINK_NETFILTER, netns })
  try {
    return new KernelConnections(conntrack, NetlinkSocket.open({ protocol: NETLINK_SOCK_DIAG, netns }))
  } catch (error) {
    conntrack.close()
    throw error
  }
}

interface KernelConnection extends Connection {
  readonly entry: ConntrackEntry
}

class KernelConnections implements Connections {
  readonly #conntrack: NetlinkSocket
  readonly #sockets: NetlinkSocket

  constructor(conntrack: NetlinkSocket, sockets: NetlinkSocket) {
    this.#conntrack = conntrack
    this.#sockets = sockets
  }

  list(): readonly Connection[] {
    return [...this.#listMarked(DECIDED_BIT, DECIDED_BIT), ...this.#listMarked(stateMark('sent'), STATE_MASK)]
  }

  sockets(): readonly ListedSocket[] {
    return [AF_INET, AF_INET6].flatMap(family => {
      const seq = this.#sockets.nextSeq()
      const messages = this.#sockets.list('SOCK_DIAG_BY_FAMILY', socketDumpMessage(family, seq), seq)
      return messages.flatMap(message => parseSocket(message) ?? [])
    })
  }

  flip(connections: readonly Connection[], bits: number): void {
    for (const { entry } of connections as readonly KernelConnection[])
      this.#change('IPCTNL_MSG_CT_NEW', seq => conntrackFlipMessage(entry, bits, seq))
  }

  forget(connections: readonly Connection[]): void {
    for (const { entry } of connections as readonly KernelConnection[])
      this.#change('IPCTNL_MSG_CT_DELETE', seq => conntrackDeleteMessage(entry, seq))
  }

  end(sockets: readonly ListedSocket[]): boolean {
    for (const socket of sockets as readonly DiagSocket[]) {
      const seq = this.#sockets.nextSeq()
      try {
        this.#sockets.request('SOCK_DESTROY', socketDestroyMessage(socket, seq), seq)
      } catch (error) {
        if (error instanceof KernelError && error.errno === 'EOPNOTSUPP') return false
        if (!isGone(error)) throw error
      }
    }
    return true
  }

  close(): void {
    this.#conntrack.close()
    this.#sockets.close()
  }

  #listMarked(mark: number, mask: number): readonly KernelConnection[] {
    const seq = this.#conntrack.nextSeq()
    const messages = this.#conntrack.list('IPCTNL_MSG_CT_GET', conntrackDumpMessage(mark, mask, seq), seq)
    return messages.flatMap(message => {
      const entry = parseConntrack(message)
      return entry ? asConnection(entry) : []
    })
  }

  #change(op: string, message: (seq: number) => Uint8Array): void {
    const seq = this.#conntrack.nextSeq()
    try {
      this.#conntrack.request(op, message(seq), seq)
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }
}

function isGone(error: unknown): boolean {
  return error instanceof KernelError && GONE.includes(error.errno)
}

function asConnection(entry: ConntrackEntry): KernelConnection {
  const { mark, original, reply } = entry
  const answering = { ...original, destination: reply.source, destinationPort: reply.sourcePort }
  const { protocol } = original
  return { protocol, mark, asClient: keyOf(original), asServer: keyOf(answering), entry }
}

function keyOf({ source, sourcePort, destination, destinationPort }: ConntrackTuple): string {
  const key = Buffer.alloc(36)
  key.set(source, 0)
  key.writeUInt16BE(sourcePort, 16)
  key.set(destination, 18)
  key.writeUInt16BE(destinationPort, 34)
  return key.toString('latin1')
}
