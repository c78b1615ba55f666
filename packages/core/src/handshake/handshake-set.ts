import { TriremeError } from '../errors.js'
import { KeyedQueue } from '../keyed-queue.js'
import type { SecretSuite, TokenEngine } from '../plugin.js'
import { Handshake, type HandshakeOptions } from './handshake.js'
import { NULL_MODE_CODE, type Suite, suiteByte, suiteByteOf } from './overlay.js'
import type { OwnRecord, RecordSubject } from './record-issuer.js'

/** What all handshakes of a node have in common. */
export type HandshakeSetOptions = Pick<HandshakeOptions, 'serverID' | 'now' | 'onError'>

/**
 * A node's handshakes, one for each suite: it opens connections in the first, and answers each SYN in the SYN's own. Every PU has
 * a record in each of them.
 */
export class HandshakeSet {
  readonly #options: HandshakeSetOptions
  /** By the header's byte. */
  #bySuite: ReadonlyMap<number, Handshake>
  #sending: Handshake
  readonly #subjects = new Map<string, RecordSubject>()
  readonly #retired = { coldKeys: 0, coldVerifications: 0 }
  readonly #replacements = new KeyedQueue()
  #stopListening: (() => void) | undefined

  /** @throws TriremeError `ERR_SECRET` for no suite, two of one mode and encoding, or null beside another. */
  constructor(suites: readonly SecretSuite[], options: HandshakeSetOptions) {
    this.#options = options
    this.#bySuite = newHandshakes(suites, options)
    this.#sending = first(this.#bySuite)
  }

  /** The node's name: the issuer of its PUs' records. */
  get serverID(): string {
    return this.#options.serverID
  }

  /** In which this node's PUs open connections. */
  get sending(): Handshake {
    return this.#sending
  }

  /** Whether a peer's tags may come shortened, and ours travel so. */
  get shortensTags(): boolean {
    return [...this.#bySuite.values()].some(handshake => handshake.shortensTags)
  }

  /** The handshake of a suite, or undefined where that is not accepted any more. */
  of(suite: Suite): Handshake | undefined {
    return this.#bySuite.get(suiteByte(suite))
  }

  /** The handshake in whose suite a SYN's overlay is. Where there is none, one whose parser says why it refuses. */
  answering(overlay: Uint8Array): Handshake {
    const byte = suiteByteOf(overlay) ?? 0
    const exact = this.#bySuite.get(byte)
    if (exact) return exact
    const ofMode = [...this.#bySuite.values()].find(({ suite }) => suite.modeCode === byte >>> 4)
    return ofMode ?? this.#sending
  }

  /** Whether `own` is no record to send any more: another key signs the PU's records now, or in another suite, or its time is not now. */
  isSuperseded(contextID: string, suite: Suite, own: OwnRecord): boolean {
    const { sending } = this
    if (suiteByte(sending.suite) !== suiteByte(suite) || !sending.issuer.isGood(own)) return true
    const current = sending.issuer.current(contextID)
    return current !== undefined && current.keyID !== own.keyID
  }

  /** Whether a record of this hash is one of ours that a verifier may still take. */
  isOwn(hash: Buffer): boolean {
    return [...this.#bySuite.values()].some(({ issuer }) => issuer.isOwn(hash))
  }

  /**
   * Issues the PU's first records, or the first with other tags. Replaces nothing where it rejects.
   * @throws TriremeError as `RecordIssuer.add` does, for any of the suites.
   */
  async add(contextID: string, subject: RecordSubject): Promise<void> {
    let asked: ReadonlyMap<number, Handshake>
    let commits: readonly (() => void)[]
    do {
      asked = this.#bySuite
      commits = await prepareAll(asked, contextID, subject)
    } while (asked !== this.#bySuite)
    for (const commit of commits) commit()
    this.#subjects.set(contextID, subject)
  }

  remove(contextID: string): void {
    this.#subjects.delete(contextID)
    for (const { issuer } of this.#bySuite.values()) issuer.remove(contextID)
  }

  /** Renews the records that are due, in every suite. */
  async renew(): Promise<void> {
    await Promise.all([...this.#bySuite.values()].map(({ issuer }) => issuer.renew()))
  }

  /**
   * Replaces all suites at one moment, when every PU has its records in the new ones. Changes nothing where it rejects.
   * @throws TriremeError as the constructor and `add` do.
   */
  replace(suites: readonly SecretSuite[]): Promise<void> {
    return this.#replacements.run('', () => this.#replaceNow(suites))
  }

  /** Follows changes of the secrets themselves, until `close`. */
  listen(): void {
    this.#stopListening ??= listenTo(this.#bySuite)
  }

  close(): void {
    this.#stopListening?.()
    this.#stopListening = undefined
  }

  /** Public-key work since the start: none on a warm connection. */
  stats() {
    const { coldKeys, coldVerifications } = this.#retired
    const total = { coldKeys, coldVerifications }
    for (const handshake of this.#bySuite.values()) {
      total.coldKeys += handshake.coldKeys
      total.coldVerifications += handshake.verifier.coldVerifications
    }
    return total
  }

  async #replaceNow(suites: readonly SecretSuite[]): Promise<void> {
    const next = newHandshakes(suites, this.#options)
    // From now on: the new secrets may change, too, while their engines sign.
    const stopListening = listenTo(next)
    const issued = new Map<string, RecordSubject>()
    try {
      // A PU may come, change or go while an engine signs.
      while (this.#missing(issued).length > 0) await this.#issueMissing(next, issued)
    } catch (error) {
      stopListening()
      throw error
    }
    for (const contextID of issued.keys()) {
      if (!this.#subjects.has(contextID)) for (const { issuer } of next.values()) issuer.remove(contextID)
    }
    this.#swap(next, stopListening)
  }

  async #issueMissing(
    next: ReadonlyMap<number, Handshake>,
    issued: Map<string, RecordSubject>,
  ): Promise<void> {
    for (const [contextID, subject] of this.#missing(issued)) {
      for (const commit of await prepareAll(next, contextID, subject)) commit()
      issued.set(contextID, subject)
    }
  }

  #missing(issued: ReadonlyMap<string, RecordSubject>): readonly (readonly [string, RecordSubject])[] {
    return [...this.#subjects].filter(([contextID, subject]) => issued.get(contextID) !== subject)
  }

  #swap(next: ReadonlyMap<number, Handshake>, stopListening: () => void): void {
    for (const [byte, previous] of this.#bySuite) next.get(byte)?.issuer.inheritOwn(previous.issuer)
    Object.assign(this.#retired, this.stats())
    const isListening = this.#stopListening !== undefined
    this.close()
    if (isListening) this.#stopListening = stopListening
    else stopListening()
    this.#bySuite = next
    this.#sending = first(next)
  }
}

function first(handshakes: ReadonlyMap<number, Handshake>): Handshake {
  const [handshake] = handshakes.values()
  if (!handshake) throw refused('none, expected at least one')
  return handshake
}

function listenTo(handshakes: ReadonlyMap<number, Handshake>): () => void {
  const stops = [...handshakes.values()].map(handshake => handshake.listen())
  return () => {
    for (const stop of stops) stop()
  }
}

function newHandshakes(
  suites: readonly SecretSuite[],
  options: HandshakeSetOptions,
): ReadonlyMap<number, Handshake> {
  const handshakes = new Map<number, Handshake>()
  for (const { secrets, tokenEngine } of suites) {
    checkName(tokenEngine)
    // Refuses a key that was issued to another node before anybody waits for a record.
    secrets.signer({ issuer: options.serverID, encoding: tokenEngine.encoding })
    const handshake = new Handshake({ ...options, secrets, engine: tokenEngine })
    const byte = suiteByte(handshake.suite)
    if (handshakes.has(byte)) {
      throw refused(
        `two of mode ${secrets.mode} with tokens ${tokenEngine.encoding}, expected every suite once`,
      )
    }
    handshakes.set(byte, handshake)
  }
  first(handshakes)
  const hasNull = [...handshakes.values()].some(({ suite }) => suite.modeCode === NULL_MODE_CODE)
  // Whoever accepts null accepts anybody under any name, and the others would protect nothing.
  if (hasNull && handshakes.size > 1) throw refused('null beside another, expected null alone or not at all')
  return handshakes
}

/** Keys are derived from the name, with a NUL behind it (`secrets/psk.ts`): with one inside, two names might share a key. */
function checkName({ encoding }: TokenEngine): void {
  if (/^[\x21-\x7e]+$/.test(encoding)) return
  const name = JSON.stringify(encoding)
  throw new TriremeError(
    'ERR_TOKEN_ENGINE',
    `encoding ${name}: expected a name of printable ASCII without spaces`,
  )
}

function prepareAll(
  handshakes: ReadonlyMap<number, Handshake>,
  contextID: string,
  subject: RecordSubject,
): Promise<readonly (() => void)[]> {
  return Promise.all([...handshakes.values()].map(({ issuer }) => issuer.prepare(contextID, subject)))
}

function refused(problem: string): TriremeError {
  return new TriremeError('ERR_SECRET', `suites: ${problem}`)
}
