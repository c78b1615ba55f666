import { TwoGenerationMap } from '@trireme/core'
import { TokenBucket } from './token-bucket.js'

/** Signatures of records that are not remembered, a second. */
const SIGNATURES_PER_SECOND = 400
const SIGNATURES_PER_SECOND_AND_SOURCE = SIGNATURES_PER_SECOND / 16
/** For so long a source counts as one that has completed a handshake. */
const COMPLETED_MS = 600_000
const REMEMBERED_SOURCES = 16_384

/**
 * What is known of the addresses that connect: who has shown that he is there, by completing a handshake, is not crowded out by those
 * who may only pretend.
 */
export class Sources {
  readonly #completedAtMs = new TwoGenerationMap<string, number>(REMEMBERED_SOURCES)
  readonly #buckets = new TwoGenerationMap<string, TokenBucket>(REMEMBERED_SOURCES)
  readonly #everybodys = new TokenBucket(SIGNATURES_PER_SECOND / 2)
  readonly #reserved = new TokenBucket(SIGNATURES_PER_SECOND / 2)

  /** A MAC_c held. */
  complete(source: string, nowMs: number): void {
    this.#completedAtMs.set(source, nowMs)
  }

  /** Whether it has completed a handshake in the last 10 minutes. */
  hasCompleted(source: string, nowMs: number): boolean {
    const at = this.#completedAtMs.get(source)
    return at !== undefined && nowMs - at < COMPLETED_MS
  }

  /** Whether a signature may be checked for it now. Half of all are reserved for sources that have completed a handshake. */
  mayVerify(source: string, nowMs: number): boolean {
    const hasCompleted = this.hasCompleted(source, nowMs)
    if (!hasCompleted && !this.#bucketOf(source).take(nowMs)) return false
    return (hasCompleted && this.#reserved.take(nowMs)) || this.#everybodys.take(nowMs)
  }

  #bucketOf(source: string): TokenBucket {
    const known = this.#buckets.get(source)
    if (known) return known
    const bucket = new TokenBucket(SIGNATURES_PER_SECOND_AND_SOURCE)
    this.#buckets.set(source, bucket)
    return bucket
  }
}

/** The source's address in a flow key: see `TcpPacket.flowKey`. */
export function sourceOf(key: string): string {
  return key.slice(0, 16)
}
