import { TriremeError } from '../errors.js'
import type { TokenEngine } from '../plugin.js'
import { formatTag, isReservedTagKey, type Tag, type Tags } from '../tags.js'
import { type EphemeralKey, generateEphemeralKey, sha256 } from './key-schedule.js'
import { MAX_RECORD_BYTES } from './overlay.js'
import { CLOCK_LEEWAY_S } from './record-verifier.js'

/** A record is replaced when it is this old. */
export const RECORD_RENEWAL_MS = 60_000
/** How long a record is good. */
export const RECORD_LIFE_S = 180

const RETRY_MS = 1000

/** A record of a PU of this node, with the secret half of its ephemeral key. */
export interface OwnRecord {
  readonly bytes: Uint8Array
  /** SHA-256 over the bytes. */
  readonly hash: Buffer
  readonly ephemeral: EphemeralKey
  /** The key ID of the record's signer. */
  readonly keyID: string
  /** Seconds since 1970. */
  readonly notBefore: number
  /** Seconds since 1970. */
  readonly notAfter: number
}

export interface RecordIssuerOptions {
  readonly serverID: string
  readonly engine: TokenEngine
  /** The key ID that signs now, by the engine's secrets. */
  readonly keyID: () => string
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Hears when a renewal failed; the previous record stays until it expires. */
  readonly onError: (contextID: string, error: unknown) => void
}

/** What a record says of a PU. */
export interface RecordSubject {
  readonly puID: string
  readonly tags: Tags
}

interface Issued {
  readonly subject: RecordSubject
  current: OwnRecord
  issuedAt: number
  /** When a record was asked for last, by the clock as it was. */
  triedAt: number
  /** The renewal that is under way. */
  renewal: Promise<void> | undefined
}

/** Issues and renews the records of this node's PUs, ahead of need, so that a handshake never waits for a signature. */
export class RecordIssuer {
  readonly #options: RecordIssuerOptions
  readonly #issued = new Map<string, Issued>()
  /** Hashes of our own records in latin1, with the second at which the last verifier forgets them. */
  readonly #ownHashes = new Map<string, number>()
  /** Counts the changes of secrets: a record that was being signed then is signed again. */
  #generation = 0

  constructor(options: RecordIssuerOptions) {
    this.#options = options
  }

  /**
   * Issues the PU's first record, or the first with other tags. Replaces nothing where it rejects.
   * @throws TriremeError `ERR_INVALID_TAG` for a reserved tag, `ERR_IDENTITY_TOO_LARGE` with size and largest tags.
   */
  async add(contextID: string, subject: RecordSubject): Promise<void> {
    const commit = await this.prepare(contextID, subject)
    commit()
  }

  /**
   * The first half of `add`: issues the record, or takes the current one where it says the same and is not due. What it answers
   * with puts the record in force.
   * @throws as `add` does.
   */
  async prepare(contextID: string, subject: RecordSubject): Promise<() => void> {
    const generation = this.#generation
    const issued = this.#upToDate(contextID, subject) ?? (await this.#issueFirst(subject))
    return () => {
      this.#issued.set(contextID, issued)
      if (generation !== this.#generation) void this.#renewOne(contextID, issued)
    }
  }

  /** What is in force for a PU, if a new record would say no more: a change of policy alone costs no signature. */
  #upToDate(contextID: string, subject: RecordSubject): Issued | undefined {
    const issued = this.#issued.get(contextID)
    const isCurrent = issued && !this.#isDue(issued) && issued.current.keyID === this.#options.keyID()
    return isCurrent && saysTheSame(issued.subject, subject) ? issued : undefined
  }

  async #issueFirst(subject: RecordSubject): Promise<Issued> {
    for (const tag of subject.tags) {
      if (isReservedTagKey(tag.key)) {
        throw new TriremeError(
          'ERR_INVALID_TAG',
          `tag ${formatTag(tag)}: keys that begin with @ or $ are reserved`,
        )
      }
    }
    const current = await this.#issue(subject)
    const now = this.#options.now()
    return { subject, current, issuedAt: now, triedAt: now, renewal: undefined }
  }

  remove(contextID: string): void {
    this.#issued.delete(contextID)
  }

  /** Whether a record of this hash is one of ours that a verifier may still take. */
  isOwn(hash: Buffer): boolean {
    return this.#ownHashes.has(hash.toString('latin1'))
  }

  /** Takes over what another issuer of this node has issued, as far as a verifier may still take it. */
  inheritOwn(previous: RecordIssuer): void {
    for (const [hash, until] of previous.#ownHashes) this.#ownHashes.set(hash, until)
  }

  /**
   * The record to send now, or undefined where the PU has none that is good. One that the clock has left behind, or is not there yet
   * for, is renewed at once, at most once a second.
   */
  current(contextID: string): OwnRecord | undefined {
    const issued = this.#issued.get(contextID)
    if (!issued) return undefined
    if (this.isGood(issued.current)) return issued.current
    if (Math.abs(this.#options.now() - issued.triedAt) >= RETRY_MS) void this.#renewOne(contextID, issued)
    return undefined
  }

  /** Whether a verifier whose clock is ours would take the record now. */
  isGood({ notBefore, notAfter }: OwnRecord): boolean {
    const nowMs = this.#options.now()
    return (notBefore - CLOCK_LEEWAY_S) * 1000 <= nowMs && nowMs < notAfter * 1000
  }

  /**
   * Renews what is due, or by `force` everything, because the secrets changed; to be called every few seconds. Resolves when
   * the renewals are done, those that were under way among them.
   */
  async renew(force = false): Promise<void> {
    const now = this.#options.now()
    if (force) this.#generation++
    for (const [hash, until] of this.#ownHashes) if (until * 1000 < now) this.#ownHashes.delete(hash)
    const due = [...this.#issued].filter(([, issued]) => issued.renewal || force || this.#isDue(issued))
    await Promise.all(due.map(([contextID, issued]) => this.#renewOne(contextID, issued)))
  }

  /** Where the clock was set back, a record that begins in the future is of no use to anybody. */
  #isDue({ issuedAt }: Issued): boolean {
    return Math.abs(this.#options.now() - issuedAt) >= RECORD_RENEWAL_MS
  }

  #renewOne(contextID: string, issued: Issued): Promise<void> {
    issued.renewal ??= this.#replace(contextID, issued)
    return issued.renewal
  }

  /** Signs until no change of secrets came in between. */
  async #replace(contextID: string, issued: Issued): Promise<void> {
    let generation: number
    do {
      generation = this.#generation
      issued.triedAt = this.#options.now()
      try {
        issued.current = await this.#issue(issued.subject)
        issued.issuedAt = this.#options.now()
      } catch (error) {
        this.#options.onError(contextID, error)
      }
    } while (generation !== this.#generation)
    issued.renewal = undefined
  }

  async #issue(subject: RecordSubject): Promise<OwnRecord> {
    const { puID, tags } = subject
    const { serverID, engine, keyID, now } = this.#options
    const ephemeral = generateEphemeralKey()
    const notBefore = Math.floor(now() / 1000)
    const notAfter = notBefore + RECORD_LIFE_S
    const claims = { issuer: serverID, puID, tags, ephemeralKey: ephemeral.publicKey, notBefore, notAfter }
    const signedBy = keyID()
    const bytes = await engine.issue(claims)
    // The secrets may have changed while an asynchronous engine signed: which key it used is then unknown.
    if (keyID() !== signedBy) return this.#issue(subject)
    if (bytes.length > MAX_RECORD_BYTES) throw tooLarge(puID, tags, bytes.length)
    const hash = sha256(bytes)
    this.#ownHashes.set(hash.toString('latin1'), notAfter + CLOCK_LEEWAY_S)
    return { bytes, hash, ephemeral, keyID: signedBy, notBefore, notAfter }
  }
}

function saysTheSame(one: RecordSubject, other: RecordSubject): boolean {
  const isSameTag = ({ key, value }: Tag, index: number) =>
    other.tags[index]?.key === key && other.tags[index].value === value
  return one.puID === other.puID && one.tags.length === other.tags.length && one.tags.every(isSameTag)
}

function tooLarge(puID: string, tags: Tags, bytes: number): TriremeError {
  const largest = tags
    .map(tag => ({ key: tag.key, bytes: Buffer.byteLength(formatTag(tag)) }))
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, 3)
    .map(tag => `${tag.key.slice(0, 40)} (${tag.bytes} bytes)`)
  return new TriremeError(
    'ERR_IDENTITY_TOO_LARGE',
    `identity of ${puID}: its record has ${bytes} bytes, at most ${MAX_RECORD_BYTES} fit a packet; largest tags: ${largest.join(', ')}`,
  )
}
