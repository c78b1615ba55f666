import type { DropReason } from '../flow.js'
import type { TokenEngine, VerifiedRecord } from '../plugin.js'
import { isReservedTagKey } from '../tags.js'
import { sha256 } from './key-schedule.js'
import { TwoGenerationMap } from './two-generation-map.js'
import { VerifiedRecords } from './verified-records.js'

/** Clocks may differ by this much. */
export const CLOCK_LEEWAY_S = 30
/** A record that claims a longer life is refused. */
export const MAX_RECORD_LIFE_S = 300

const REFUSED_RECORDS = 16_384
const CONCURRENT_VERIFICATIONS = 256

/** A peer's record whose every byte was verified. */
export interface PeerRecord {
  readonly claims: VerifiedRecord
  /** SHA-256 over all bytes of the record, its signer included. */
  readonly hash: Buffer
  readonly bytes: Uint8Array
  /** The state of the secrets under which it was verified: another object after every change. */
  readonly generation: object
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
  readonly #verified = new VerifiedRecords()
  readonly #refused = new TwoGenerationMap<string, DropReason>(REFUSED_RECORDS)
  readonly #pending = new Map<string, Promise<PeerRecord | DropReason>>()
  /** Refusals by the clock that those who waited for them have still to hear. Time mends them, so no later packet gets them. */
  readonly #told = new Map<string, DropReason>()
  /** Replaced when a secret is: an answer that was under way then is not believed. */
  #generation: object = {}
  /** Signatures that an engine was asked to check. */
  coldVerifications = 0

  constructor(options: RecordVerifierOptions) {
    this.#engine = options.engine
    this.#now = options.now
    this.#onError = options.onError ?? (() => {})
  }

  /**
   * At once for a record that is remembered or whose engine answers at once; else a promise. `mayAsk` is asked before an engine is,
   * with the issuer that the record names, if the engine can tell: where it says no, the answer is `overload`, and nothing is
   * remembered.
   */
  verify(
    record: Uint8Array,
    mayAsk: (claimedIssuer: string | undefined) => boolean = () => true,
  ): PeerRecord | DropReason | Promise<PeerRecord | DropReason> {
    const hash = sha256(record)
    const key = hash.toString('latin1')
    const known = this.#verified.get(key)
    if (known) return this.#clockFault(known.claims) ?? known
    const refused = this.#refused.get(key) ?? this.#told.get(key)
    if (refused) return refused
    const pending = this.#pending.get(key)
    if (pending) return pending
    const mayVerify = mayAsk(this.#engine.issuerOf?.(record))
    return mayVerify ? this.#verifyCold(record, hash, key) : 'overload'
  }

  /**
   * Why a record that was verified once does not hold now. Where the secrets have changed since, it is verified again: a
   * promise where the engine takes its time, to be asked again when it has settled.
   */
  faultNow(peer: PeerRecord): DropReason | undefined | Promise<unknown> {
    if (peer.generation === this.#generation) return this.#clockFault(peer.claims)
    const again = this.verify(peer.bytes)
    return typeof again === 'string' || again instanceof Promise ? again : undefined
  }

  /** Forgets every answer, because a key was added or removed. */
  purge(): void {
    this.#generation = {}
    this.#verified.clear()
    this.#refused.clear()
  }

  #verifyCold(record: Uint8Array, hash: Buffer, key: string) {
    if (this.#pending.size >= CONCURRENT_VERIFICATIONS) return 'overload'
    // A copy: the bytes may lie in a receive buffer, and the engine may take its time.
    const cold: ColdRecord = { key, hash, bytes: new Uint8Array(record), generation: this.#generation }
    this.coldVerifications++
    const answer = this.#engine.verify(cold.bytes)
    if (!(answer instanceof Promise)) return this.#remember(cold, answer)
    const pending = this.#whenAnswered(cold, answer).finally(() => this.#pending.delete(key))
    this.#pending.set(key, pending)
    return pending
  }

  /** Asks again where the secrets changed meanwhile: neither state of them may answer for the other. */
  async #whenAnswered(
    cold: ColdRecord,
    answer: Promise<VerifiedRecord | DropReason>,
  ): Promise<PeerRecord | DropReason> {
    try {
      const result = await answer
      if (cold.generation === this.#generation) {
        if (result === 'clock') this.#tell(cold.key, result)
        return this.#remember(cold, result)
      }
      this.coldVerifications++
      const again = Promise.resolve(this.#engine.verify(cold.bytes))
      return await this.#whenAnswered({ ...cold, generation: this.#generation }, again)
    } catch (error) {
      this.#onError(error)
      return 'internal'
    }
  }

  /** Until the packets that were held for the answer have been decided, which the settled promise leads to at once. */
  #tell(key: string, reason: DropReason): void {
    this.#told.set(key, reason)
    setImmediate(() => this.#told.delete(key))
  }

  #remember(cold: ColdRecord, answer: VerifiedRecord | DropReason): PeerRecord | DropReason {
    const { key, hash, bytes, generation } = cold
    const fault = typeof answer === 'string' ? answer : claimsFault(answer)
    if (fault || typeof answer === 'string') {
      const reason = fault ?? 'token'
      // What the clock refuses comes good, or another day's certificate does: the record is asked about again.
      if (reason !== 'clock') this.#refused.set(key, reason)
      return reason
    }
    const peer: PeerRecord = { claims: answer, hash, bytes, generation }
    // Kept although it may be too early or too late: the signature was paid for, and every use looks at the clock.
    this.#verified.set(key, peer)
    return this.#clockFault(answer) ?? peer
  }

  #clockFault(claims: VerifiedRecord): DropReason | undefined {
    const now = this.#now() / 1000
    if (now < claims.notBefore - CLOCK_LEEWAY_S) return 'clock'
    // Put so that a signer of whom an engine does not say when he ends is refused, too.
    const isGood = now <= claims.notAfter + CLOCK_LEEWAY_S && now <= claims.signerNotAfter
    return isGood ? undefined : 'clock'
  }
}

/** A record that an engine is asked about. */
interface ColdRecord {
  readonly key: string
  readonly hash: Buffer
  readonly bytes: Uint8Array
  readonly generation: object
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
