import type { HandshakeKeys, OwnRecord, PeerRecord, Suite } from '@trireme/core'
import type { PUContext } from './pu-context.js'

/** The server's answer to one SYN, as it went or came. */
export interface Answer {
  /** The server's initial sequence number. */
  readonly isn: number
  readonly overlay: Uint8Array
  readonly h2: Uint8Array
  readonly mac: Uint8Array
  readonly keys: HandshakeKeys
}

/**
 * A connection that a PU of this node opens.
 * `syn-sent` → `verified` (MAC_s held, the rules accepted) → `released` (our MAC_c left); or `refused`.
 */
export interface ClientFlow {
  readonly pu: PUContext
  /** The flow key of the packets from the client. */
  readonly key: string
  readonly id: string
  readonly isn: number
  /** In which the SYN left, and the answer must come. */
  readonly suite: Suite
  readonly own: OwnRecord
  readonly overlay: Uint8Array
  readonly h1: Buffer
  /** Its SYN came to a server of this namespace that is no PU's. */
  isBesideThePUs: boolean
  /** Both ends share one connection entry, and only the net side's verdicts may mark it. */
  sharesEntry: boolean
  stage: 'syn-sent' | 'verified' | 'released' | 'refused'
  answer: Answer | undefined
  /** Who gave the answer. */
  peer: PeerRecord | undefined
  /** The ACK's overlay that the answer calls for. */
  ackOverlay: Uint8Array | undefined
  /** One past the highest sequence number that left since the release. */
  sentUpTo: number
  lastSeenMs: number
}

/** The first SYN-ACK and three resends: whoever forges a source has us send no more to it. */
export const MAX_ANSWERS = 4

/** A connection that a peer opens to a PU of this node: `syn-received` → `auth` (MAC_c held, the rules accepted). */
export interface ServerFlow {
  readonly pu: PUContext
  /** The flow key of the packets from the client. */
  readonly key: string
  readonly id: string
  readonly isn: number
  /** That of the SYN, in which it is answered. */
  readonly suite: Suite
  readonly h1: Buffer
  readonly peer: PeerRecord
  stage: 'syn-received' | 'auth'
  answer: Answer | undefined
  /** The answer of an earlier socket of the kernel: it authorizes nothing, but its MAC_c is worth a reset. */
  formerAnswer: Answer | undefined
  /** How many SYN-ACKs may leave yet before the SYN comes again, to a source that has never completed a handshake. */
  answersLeft: number
  ackOverlay: Uint8Array | undefined
  /** Its SYN was dialled to somebody else and let in to be observed. */
  readonly isStray: boolean
  lastSeenMs: number
}

/** The ID under which both ends report a connection: that of its SYN's overlay. */
export function flowID(h1: Buffer): string {
  return h1.toString('hex', 0, 16)
}
