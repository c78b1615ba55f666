import { TwoGenerationMap } from '@trireme/core'
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

/**
 * What is known of the addresses that connect: who has shown that he is there, by completing a handshake, is not crowded out by those
 * who may only pretend.
 */
export class Sources {
  readonly #completedAtMs = new TwoGenerationMap<string, number>(REMEMBERED_SOURCES)
  readonly #ofStranger = new TokenBuckets(OF_STRANGER, REMEMBERED_SOURCES)
  readonly #ofCompleted = new TokenBuckets(OF_COMPLETED, REMEMBERED_SOURCES)
  readonly #ofIssuer = new TokenBuckets(OF_ISSUER, REMEMBERED_SOURCES)
  readonly #everybodys = new TokenBucket(SIGNATURES_PER_SECOND / 2)
  readonly #reserved = new TokenBucket(SIGNATURES_PER_SECOND / 2)

  /** A MAC held. */
  complete(source: string, nowMs: number): void {
    this.#completedAtMs.set(source, nowMs)
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

/** The source's address in a flow key: see `TcpPacket.flowKey`. */
export function sourceOf(key: string): string {
  return key.slice(0, 16)
}
