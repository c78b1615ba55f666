import { type PeerRecord, TwoGenerationMap } from '@trireme/core'
import { TokenBucket } from './token-bucket.js'
import { TokenBuckets } from './token-buckets.js'

/** Signatures of records that are not remembered, a second. */
const SIGNATURES_PER_SECOND = 400
/** Of a source that has not completed a handshake lately, and of one that has: a node whose PUs all have new records. */
const OF_STRANGER = SIGNATURES_PER_SECOND / 16
const OF_COMPLETED = SIGNATURES_PER_SECOND / 4
/** Of strangers whose records name one issuer, whoever signed them. */
const OF_ISSUER = SIGNATURES_PER_SECOND / 8
/** For so long a source counts as one that has completed a handshake. */
const COMPLETED_MS = 600_000
const REMEMBERED_SOURCES = 16_384
/** A server ID has no more. */
const MAX_ISSUER_LENGTH = 64
/** Handshakes a second that peers begin who have completed none lately, by the record that they show, by its issuer, and in all. */
const BEGUN_OF_RECORD = 512
const BEGUN_OF_ISSUER = 1024
const BEGUN = 4096

/**
 * What is known of the addresses that connect: who has shown that he is there, by completing a handshake, is not crowded out by those
 * who may only pretend.
 */
export class Sources {
  readonly #completedAtMs = new TwoGenerationMap<string, number>(REMEMBERED_SOURCES)
  readonly #peerCompletedAtMs = new TwoGenerationMap<string, number>(REMEMBERED_SOURCES)
  readonly #begunOfRecord = new TokenBuckets(BEGUN_OF_RECORD, REMEMBERED_SOURCES)
  readonly #begunOfIssuer = new TokenBuckets(BEGUN_OF_ISSUER, REMEMBERED_SOURCES)
  readonly #begun = new TokenBucket(BEGUN)
  readonly #ofStranger = new TokenBuckets(OF_STRANGER, REMEMBERED_SOURCES)
  readonly #ofCompleted = new TokenBuckets(OF_COMPLETED, REMEMBERED_SOURCES)
  readonly #ofIssuer = new TokenBuckets(OF_ISSUER, REMEMBERED_SOURCES)
  readonly #everybodys = new TokenBucket(SIGNATURES_PER_SECOND / 2)
  readonly #reserved = new TokenBucket(SIGNATURES_PER_SECOND / 2)

  /** A MAC held, of a peer of this issuer. */
  complete(source: string, issuer: string, nowMs: number): void {
    this.#completedAtMs.set(source, nowMs)
    this.#peerCompletedAtMs.set(source + issuer, nowMs)
  }

  /** Whether a peer of this issuer has completed a handshake from there in the last 10 minutes. */
  isProven(source: string, issuer: string, nowMs: number): boolean {
    const at = this.#peerCompletedAtMs.get(source + issuer)
    return at !== undefined && nowMs - at < COMPLETED_MS
  }

  /**
   * Whether a peer that is not proven may begin a handshake now. A captured record comes from as many addresses as its thief likes:
   * what is made of it stays little, and a peer that has once completed a handshake is not asked.
   */
  mayBegin(peer: PeerRecord, nowMs: number): boolean {
    return (
      this.#begunOfRecord.take(peer.hash.toString('latin1'), nowMs) &&
      this.#begunOfIssuer.take(peer.claims.issuer, nowMs) &&
      this.#begun.take(nowMs)
    )
  }

  /** Whether it has completed a handshake in the last 10 minutes. */
  hasCompleted(source: string, nowMs: number): boolean {
    const at = this.#completedAtMs.get(source)
    return at !== undefined && nowMs - at < COMPLETED_MS
  }

  /**
   * Whether a signature may be checked for it now, of a record that names this issuer. Half of all are reserved for sources that have
   * completed a handshake.
   */
  mayVerify({ source, issuer }: ColdRecordSource, nowMs: number): boolean {
    if (this.hasCompleted(source, nowMs)) {
      if (!this.#ofCompleted.take(source, nowMs)) return false
      return this.#reserved.take(nowMs) || this.#everybodys.take(nowMs)
    }
    if (!this.#ofStranger.take(source, nowMs)) return false
    if (issuer !== undefined && !this.#ofIssuer.take(issuer.slice(0, MAX_ISSUER_LENGTH), nowMs)) return false
    return this.#everybodys.take(nowMs)
  }
}

/** Who sent a record that is not remembered. */
export interface ColdRecordSource {
  readonly source: string
  /** Claimed, not verified; undefined where the encoding does not tell. */
  readonly issuer: string | undefined
}

/** The address of the client, or of whoever sent the packet, in a flow key: see `TcpPacket.flowKey`. */
export function sourceOf(key: string): string {
  return key.slice(0, 16)
}
