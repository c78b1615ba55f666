/** One queue of a network namespace, a line of `/proc/net/netfilter/nfnetlink_queue` read in that namespace. */
export interface QueueStatistics {
  readonly queue: number
  /** Netlink port of the socket that has it bound. */
  readonly peerPort: number
  /** Packets that wait for their verdict now. */
  readonly depth: number
  readonly copyMode: number
  readonly copyRange: number
  /** Packets dropped because `maxPackets` waited. */
  readonly queueDropped: number
  /** Packets dropped because the socket's receive buffer was full. */
  readonly userDropped: number
  /** The last packet id given out. */
  readonly idSequence: number
}

/** The queues of that text, in its order (`seq_show` in net/netfilter/nfnetlink_queue.c); other lines are left out. */
export function readQueueStatistics(text: string): QueueStatistics[] {
  const lines = text.split('\n').map(line => line.trim().split(/\s+/).map(Number))
  return lines.filter(fields => fields.length >= 8 && fields.every(Number.isInteger)).map(toStatistics)
}

function toStatistics(fields: readonly number[]): QueueStatistics {
  const [queue = 0, peerPort = 0, depth = 0, copyMode = 0, copyRange = 0, ...rest] = fields
  const [queueDropped = 0, userDropped = 0, idSequence = 0] = rest
  return { queue, peerPort, depth, copyMode, copyRange, queueDropped, userDropped, idSequence }
}
