import type { HandshakeKeys, OwnRecord, PeerRecord, Suite } from '@trireme/core'
import type { PUContext } from './pu-context.js'
import type { Place } from './tables/fair-shares.js'

/** The server's answer to one SYN. */
export interface Answer {
  /** The server's initial sequence number. */
  readonly isn: number
  readonly h2: Uint8Array
  readonly mac: Uint8Array
  readonly keys: HandshakeKeys
}

/** An answer of ours: with what it is written again, byte for byte. */
export interface OwnAnswer extends Answer {
  readonly nonce: Uint8Array
  readonly own: OwnRecord
}

/**
 * A connection that a PU of this node opens, until our MAC_c has left: `syn-sent` → `verified` (MAC_s held, the rules accepted); or
 * `refused`.
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
  stage: 'syn-sent' | 'verified' | 'refused'
  answer: Answer | undefined
  /** Who gave the answer. */
  peer: PeerRecord | undefined
  /** MAC_c, which the answer calls for. */
  clientMAC: Uint8Array | undefined
  /** Its SYN was sent again before anything came back. */
  isUnanswered: boolean
  /** One past the highest sequence number that left since the release. */
  sentUpTo: number
  lastSeenMs: number
  /** Among its PU's. */
  place: Place<ClientFlow> | undefined
}

/** The first SYN-ACK and three resends: whoever forges a source has us send no more to it. */
export const MAX_ANSWERS = 4

/** A connection that a peer opens to a PU of this node, until its MAC_c holds. */
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
  /** The peer's issuer completed a handshake from this address lately. */
  readonly isProven: boolean
  answer: OwnAnswer | undefined
  /** The answer of an earlier socket of the kernel: it authorizes nothing, but its MAC_c is worth a reset. */
  formerAnswer: OwnAnswer | undefined
  /** How many SYN-ACKs may leave yet before the SYN comes again, to a peer that has never completed a handshake. */
  answersLeft: number
  /** Its SYN was dialled to somebody else and let in to be observed. */
  readonly isStray: boolean
  lastSeenMs: number
  /** The tuple's candidate before this one. */
  older: ServerFlow | undefined
  /** What it takes of the room for half-open handshakes. */
  places: readonly Place<ServerFlow>[]
}

/** The ID under which both ends report a connection: that of its SYN's overlay. */
export function flowID(h1: Uint8Array): string {
  return Buffer.from(h1.buffer, h1.byteOffset, 16).toString('hex')
}
