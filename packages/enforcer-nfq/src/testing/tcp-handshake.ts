import { LINUX_SYN_OPTIONS, type TcpOption } from './build-options.js'
import { type TcpDescription, tcpPacket } from './build-packet.js'

/** One end of a connection. */
export interface FlowEnd {
  readonly address: string
  readonly port: number
  /** The initial sequence number. Default 1,000 for the client and 2,000 for the server. */
  readonly isn?: number
  /** Default `LINUX_SYN_OPTIONS`, in this end's SYN or SYN-ACK. */
  readonly options?: readonly TcpOption[]
}

/** A connection in words. */
export interface FlowDescription {
  readonly client: FlowEnd
  readonly server: FlowEnd
  /**
   * What is said after the handshake, in order: one data packet and one bare ACK from the other end for each.
   */
  readonly data?: readonly FlowData[]
}

/** What one end sends in a single segment. */
export interface FlowData {
  readonly from: 'client' | 'server'
  readonly payload: Uint8Array | string
}

/** A packet of a connection, and who sent it. */
export interface FlowPacket {
  readonly step: 'syn' | 'syn-ack' | 'ack' | 'data'
  readonly from: 'client' | 'server'
  readonly bytes: Uint8Array
}

/**
 * The packets of a connection as two kernels send them: SYN, SYN-ACK and ACK by name, and all of them in
 * order.
 */
export interface TcpFlow {
  readonly syn: Uint8Array
  readonly synAck: Uint8Array
  readonly ack: Uint8Array
  readonly packets: readonly FlowPacket[]
}

/** Builds a connection's packets, with sequence and acknowledgement numbers that follow from one another. */
export function tcpHandshake(flow: FlowDescription): TcpFlow {
  const { client, server } = flow
  const up = { ...between(client, server), sequence: client.isn ?? 1_000 }
  const down = { ...between(server, client), sequence: server.isn ?? 2_000 }
  const syn = tcpPacket({ ...up, flags: ['SYN'], options: client.options ?? LINUX_SYN_OPTIONS })
  const synAck = tcpPacket({
    ...down,
    acknowledgement: up.sequence + 1,
    flags: ['SYN', 'ACK'],
    options: server.options ?? LINUX_SYN_OPTIONS,
  })
  const opened = {
    client: { ...up, sequence: up.sequence + 1 },
    server: { ...down, sequence: down.sequence + 1 },
  }
  const ack = bareAck(opened.client, opened.server)
  const packets: FlowPacket[] = [
    { step: 'syn', from: 'client', bytes: syn },
    { step: 'syn-ack', from: 'server', bytes: synAck },
    { step: 'ack', from: 'client', bytes: ack },
    ...conversation(opened, flow.data ?? []),
  ]
  return { syn, synAck, ack, packets }
}

type Sender = Pick<TcpDescription, 'source' | 'destination' | 'sourcePort' | 'destinationPort'> & {
  readonly sequence: number
}

function conversation(opened: Record<'client' | 'server', Sender>, data: readonly FlowData[]): FlowPacket[] {
  const ends = { ...opened }
  return data.flatMap(({ from, payload }) => {
    const to = from === 'client' ? 'server' : 'client'
    const sender = ends[from]
    const bytes = tcpPacket({ ...sender, acknowledgement: ends[to].sequence, flags: ['PSH', 'ACK'], payload })
    ends[from] = { ...sender, sequence: sender.sequence + Buffer.byteLength(payload) }
    const answer = bareAck(ends[to], ends[from])
    return [{ step: 'data', from, bytes } as const, { step: 'ack', from: to, bytes: answer } as const]
  })
}

function bareAck(from: Sender, to: Sender): Uint8Array {
  return tcpPacket({ ...from, acknowledgement: to.sequence, flags: ['ACK'] })
}

function between(from: FlowEnd, to: FlowEnd): Omit<Sender, 'sequence'> {
  return { source: from.address, destination: to.address, sourcePort: from.port, destinationPort: to.port }
}
