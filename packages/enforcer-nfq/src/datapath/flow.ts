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
  /** Whether the client is in the same namespace and shares the kernel's connection entry. */
  readonly sharesEntry: boolean
  stage: 'syn-received' | 'auth'
  answer: Answer | undefined
  ackOverlay: Uint8Array | undefined
  lastSeenMs: number
}
