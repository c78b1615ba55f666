import type { DropReason } from '../flow.js'
import type { TokenEngine, VerifiedRecord } from '../plugin.js'
import { isReservedTagKey } from '../tags.js'
import { sha256 } from './key-schedule.js'
import { TwoGenerationMap } from './two-generation-map.js'

/** Clocks may differ by this much. */
export const CLOCK_LEEWAY_S = 30
/** A record that claims a longer life is refused. */
export const MAX_RECORD_LIFE_S = 300

const CACHED_RECORDS = 16_384
const REFUSED_RECORDS = 16_384
const CONCURRENT_VERIFICATIONS = 256

/** A peer's record whose every byte was verified. */
export interface PeerRecord {
  readonly claims: VerifiedRecord
  /** SHA-256 over all bytes of the record, its signer included. */
  readonly hash: Buffer
}

export interface RecordVerifierOptions {
  readonly engine: TokenEngine
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Hears of an engine that rejected instead of answering. */
  readonly onError?: (error: unknown) => void
}

/**
 * Verifies peers' records and remembers the outcome under a hash of all their bytes. What holds for every encoding is
 * checked here: lifetimes, clocks, reserved tags, key sizes. Expiry is checked on every use, also of a remembered record.
 */
export class RecordVerifierCache {
  readonly #engine: TokenEngine
  readonly #now: () => number
  readonly #onError: (error: unknown) => void
  readonly #verified = new TwoGenerationMap<string, PeerRecord>(CACHED_RECORDS)
  readonly #refused = new TwoGenerationMap<string, DropReason>(REFUSED_RECORDS)
  readonly #pending = new Map<string, Promise<PeerRecord | DropReason>>()
  /** Changes when a secret does: an answer that was under way then is not remembered. */
  #generation = 0
  /** Signatures that an engine was asked to check. */
  coldVerifications = 0

  constructor(options: RecordVerifierOptions) {
    this.#engine = options.engine
    this.#now = options.now
    this.#onError = options.onError ?? (() => {})
  }

  /** At once for a record that is remembered or whose engine answers at once; else a promise. */
  verify(record: Uint8Array): PeerRecord | DropReason | Promise<PeerRecord | DropReason> {
    const hash = sha256(record)
    const key = hash.toString('latin1')
    const known = this.#verified.get(key)
    if (known) return this.#clockFault(known.claims) ?? known
    const refused = this.#refused.get(key)
    if (refused) return refused
    return this.#pending.get(key) ?? this.#verifyCold(record, hash, key)
  }

  /** Why a record that was verified once does not hold now. */
  faultNow(peer: PeerRecord): DropReason | undefined {
    return this.#clockFault(peer.claims)
  }

  /** Forgets every answer, because a key was added or removed. */
  purge(): void {
    this.#generation++
    this.#verified.clear()
    this.#refused.clear()
  }

  #verifyCold(record: Uint8Array, hash: Buffer, key: string) {
    if (this.#pending.size >= CONCURRENT_VERIFICATIONS) return 'overload'
    this.coldVerifications++
    const generation = this.#generation
    // A copy: the bytes may lie in a receive buffer, and the engine may take its time.
    const answer = this.#engine.verify(new Uint8Array(record))
    if (!(answer instanceof Promise)) return this.#remember(key, hash, answer)
    const pending = answer
      .then(
        result => (generation === this.#generation ? this.#remember(key, hash, result) : 'token'),
        (error: unknown): DropReason => {
          this.#onError(error)
          return 'internal'
        },
      )
      .finally(() => this.#pending.delete(key))
    this.#pending.set(key, pending)
    return pending
  }

  #remember(key: string, hash: Buffer, answer: VerifiedRecord | DropReason): PeerRecord | DropReason {
    const fault = typeof answer === 'string' ? answer : claimsFault(answer)
    if (fault || typeof answer === 'string') {
      const reason = fault ?? 'token'
      this.#refused.set(key, reason)
      return reason
    }
    const peer: PeerRecord = { claims: answer, hash }
    // Kept although it may be too early or too late: the signature was paid for, and every use looks at the clock.
    this.#verified.set(key, peer)
    return this.#clockFault(answer) ?? peer
  }

  #clockFault(claims: VerifiedRecord): DropReason | undefined {
    const now = this.#now() / 1000
    if (now < claims.notBefore - CLOCK_LEEWAY_S) return 'clock'
    if (now > claims.notAfter + CLOCK_LEEWAY_S || now > claims.signerNotAfter) return 'clock'
    return undefined
  }
}

/** What no clock can mend. */
function claimsFault(claims: VerifiedRecord): DropReason | undefined {
  const life = claims.notAfter - claims.notBefore
  if (!(life > 0 && life <= MAX_RECORD_LIFE_S)) return 'token'
  if (claims.ephemeralKey.length !== 32) return 'token'
  if (claims.issuer === '' || claims.puID === '') return 'token'
  if (claims.tags.some(tag => isReservedTagKey(tag.key))) return 'token'
  return undefined
}
