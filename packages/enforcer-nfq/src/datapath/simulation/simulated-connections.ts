import { DECIDED_BIT, stateOfMark } from '@trireme/core'
import type { Connection, Connections, ListedSocket } from '../../connections.js'
import { TcpPacket } from '../../packet/tcp-packet.js'
import { tcpPacket } from '../../testing/index.js'
import type { SimulatedHost } from './simulated-host.js'
import type { ConntrackEntry } from './simulated-rules.js'
import type { End, SimulatedSocket } from './simulated-socket.js'

const IPPROTO_TCP = 6

interface ListedConnection extends Connection {
  readonly entry: ConntrackEntry
}

interface HostSocket extends ListedSocket {
  readonly socket: SimulatedSocket
}

/** A host's connections and sockets, as ctnetlink and sock_diag show the kernel's. */
export function simulatedConnections(host: SimulatedHost, canEnd = true): Connections {
  return {
    list: () =>
      [...host.conntrack.values()]
        .filter(({ mark }) => (mark & DECIDED_BIT) !== 0 || stateOfMark(mark) === 'sent')
        .map(asConnection),
    sockets: () => host.tcp.connected().map(socket => ({ key: keyOf(socket.local, socket.remote), socket })),
    flip: (connections, bits) => {
      for (const { entry } of connections as readonly ListedConnection[]) entry.mark ^= bits
    },
    forget: connections => {
      for (const { entry } of connections as readonly ListedConnection[])
        host.conntrack.delete(entry.original)
    },
    end: sockets => {
      if (canEnd) for (const { socket } of sockets as readonly HostSocket[]) socket.abort()
      return canEnd
    },
    close: () => {},
  }
}

function asConnection(entry: ConntrackEntry): ListedConnection {
  const { mark, original } = entry
  return { protocol: IPPROTO_TCP, mark, asClient: original, asServer: original, entry }
}

function keyOf(from: End, to: End): string {
  const packet = new TcpPacket()
  const bytes = tcpPacket({
    source: from.address,
    sourcePort: from.port,
    destination: to.address,
    destinationPort: to.port,
  })
  packet.parse(bytes, 0, bytes.length)
  return packet.flowKey()
}
