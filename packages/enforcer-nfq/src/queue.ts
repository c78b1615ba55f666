import { openKernelQueue } from './netlink/kernel-queue.js'

export {
  NF_ACCEPT,
  NF_DROP,
  NF_INET_LOCAL_IN,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  NF_REPEAT,
} from './netlink/nfqueue.js'

/** A packet that waits for its verdict. One object is reused for all of them: it holds only during `onPacket`. */
export interface QueuedPacket {
  readonly queue: number
  /** Names the packet within its queue; ids grow by 1, wrap after 32 bits, and restart when the queue is bound again. */
  readonly id: number
  /** Where it was queued: `NF_INET_LOCAL_IN`, `NF_INET_LOCAL_OUT`, … */
  readonly hook: number
  /** The packet mark, unsigned; 0 if it has none. */
  readonly mark: number
  /** It came over the loopback interface or is about to leave over it. */
  readonly isLoopback: boolean
  /** Of the interface by which it came or is about to leave (`if_nametoindex`); 0 where the kernel does not say. */
  readonly interfaceIndex: number
  /** Memory in which the packet lies from `offset`, the first byte of its IP header, for `length` bytes. */
  readonly data: Uint8Array
  readonly offset: number
  readonly length: number
  /** Only a beginning of the packet is in `data`: it must not be replaced. */
  readonly isTruncated: boolean
  /** The transport checksum holds the pseudo-header's sum only: do not verify it, do not update it incrementally. */
  readonly isChecksumPartial: boolean
  /** It will be cut into segments later, so it may be larger than any MTU. */
  readonly isGso: boolean
}

/** A packet that the kernel told of. One object is reused for all of them: it holds only during `onLogged`. */
export interface LoggedPacket {
  /** Where it was: `NF_INET_LOCAL_IN`, `NF_INET_LOCAL_OUT`, … */
  readonly hook: number
  /** What the rule says of it (`formatKernelDecision`); empty where it says nothing. */
  readonly prefix: string
  /** Memory in which the packet's beginning lies from `offset`, the first byte of its IP header, for `length` bytes. */
  readonly data: Uint8Array
  readonly offset: number
  readonly length: number
}

export interface PacketQueueOptions {
  /** Path of the network namespace whose queues are read, `/proc/self/fd/7`; absent: the process's own. */
  readonly netns?: string
  /**
   * Decides by calling `verdict`, now or later. A packet left without is held in the kernel until its verdict, so copy
   * what is needed. If this throws, a packet that has no verdict yet is dropped.
   */
  readonly onPacket: (packet: QueuedPacket) => void
  /** Told of packets that the kernel decided on and logged, by what `bindLog` asked for. It must not throw. */
  readonly onLogged?: (packet: LoggedPacket) => void
  /** Told what went wrong beside the packets, as often as it does: a throw of `onPacket`, a refused verdict, an overrun. */
  readonly onError: (error: unknown) => void
  /** How many packets may wait in each queue, default 4096; the kernel drops what comes beyond. */
  readonly maxPackets?: number
  /** Default 8 MiB; a queued SYN costs about 832 bytes of it. Beyond `rmem_max` it needs CAP_NET_ADMIN. */
  readonly receiveBufferBytes?: number
}

/** Counters since the queue was opened. */
export interface PacketQueueStats {
  readonly received: number
  /** Verdicts given, the drops after a throw included. */
  readonly verdicts: number
  /** Verdicts the kernel refused or never got. */
  readonly verdictErrors: number
  /** Messages lost because the socket's receive buffer was full; their packets were dropped. */
  readonly overruns: number
  readonly truncated: number
  /** How often `onPacket` threw. */
  readonly handlerErrors: number
}

/**
 * NFQUEUE numbers of one network namespace: packets out of the kernel, verdicts into it. Fails closed: what nobody
 * reads, what overflows and what was queued at `close` is dropped.
 */
export interface PacketQueue {
  /**
   * Packets of this queue number arrive from now on; one socket may bind several. Throws `KernelError`: EPERM if another
   * socket has it, EBUSY if this one has.
   */
  bind(queueNumber: number): void
  /** Gives the number back; packets that wait in it are dropped. Throws `KernelError`, ENODEV if it was not bound. */
  unbind(queueNumber: number): void
  /** The beginnings of packets that rules log to this NFLOG group arrive from now on. Throws `KernelError`. */
  bindLog(group: number): void
  /**
   * Decides on a packet. During `onPacket` it joins the batch's one sendto, later it is sent at once; after `close` it
   * does nothing. `mark` becomes the packet's mark. `payload` up to `payloadLength` (default all of it) is the whole IP
   * packet when it changed, with every length and checksum right. What the kernel refuses is counted and goes to `onError`.
   */
  verdict(
    queueNumber: number,
    packetID: number,
    verdict: number,
    mark?: number,
    payload?: Uint8Array,
    payloadLength?: number,
  ): void
  stats(): PacketQueueStats
  /** Sends the verdicts of a batch in progress, then closes. Idempotent, also during `onPacket`. */
  close(): void
}

/** Opens one netlink socket in the namespace; it keeps the namespace and the event loop alive until `close`. */
export function openPacketQueue(options: PacketQueueOptions): PacketQueue {
  return openKernelQueue(options)
}
