import type { OwnRecord, PeerRecord, Suite } from '@trireme/core'
import type { PUContext } from '../pu-context.js'
import { SlotLists } from './slot-lists.js'
import { TupleIndex } from './tuple-index.js'

/** As long as a handshake's last resend may come after it was finished: a SYN-ACK's after 1, 3, 7, 15 and 31 s. */
const KEPT_MS = 64_000
const MAX_FINISHED = 65_536
/** h1, h2, MAC_s and MAC_c, 32 bytes each; nonce_s, 16 bytes. */
const BYTES = 4 * 32 + 16
const [H1, H2, SERVER_MAC, CLIENT_MAC, NONCE] = [0, 32, 64, 96, 128]
/** Both ISNs, and for a client one past the highest sequence number that left since the release. */
const WORDS = 3
const [ISN, ANSWER_ISN, SENT_UP_TO] = [0, 1, 2]
const SHARES_ENTRY = 1
const IS_REFUSED = 2
const IS_REPORTED = 4

/** What is kept of a handshake that this end is through with. */
export interface Finished {
  readonly pu: PUContext
  readonly suite: Suite
  readonly own: OwnRecord
  readonly peer: PeerRecord
  /** The client's initial sequence number. */
  readonly isn: number
  readonly answerISN: number
  readonly h1: Uint8Array
  readonly h2: Uint8Array
  readonly serverMAC: Uint8Array
  readonly clientMAC: Uint8Array
  /** The server's, with which its answer is written again. */
  readonly nonce?: Uint8Array
  readonly sharesEntry?: boolean
  readonly sentUpTo?: number
}

interface References {
  readonly pu: PUContext
  readonly suite: Suite
  own: OwnRecord
  peer: PeerRecord
}

/**
 * Handshakes that are finished at this end and of which packets may come again: the latest 65,536 of the last 64 s, in typed arrays
 * that grow as they are needed. They take no place from handshakes under way, and nothing is lost with one but its resends: an
 * acknowledgement that comes again is stripped by the connection's mark alone.
 */
export class FinishedHandshakes {
  readonly #index: TupleIndex
  readonly #order = new SlotLists(1)
  readonly #cursor: FinishedHandshake
  readonly #store = new FinishedStore()

  constructor(maxFinished = MAX_FINISHED) {
    this.#index = new TupleIndex(maxFinished)
    this.#cursor = new FinishedHandshake(this.#store)
  }

  get size(): number {
    return this.#index.size
  }

  /** Adds, or replaces what an earlier handshake of the tuple left; where there is no room the oldest goes. */
  add(tuple: Uint32Array, finished: Finished, nowMs: number): void {
    this.remove(tuple)
    if (this.#index.isFull) this.#removeSlot(this.#order.first(0))
    const slot = this.#index.add(tuple)
    this.#store.write(slot, this.#index.capacity, finished, nowMs)
    this.#order.add(0, slot)
  }

  /** Good until the next call. */
  find(tuple: Uint32Array): FinishedHandshake | undefined {
    const slot = this.#index.size === 0 ? -1 : this.#index.find(tuple)
    return slot === -1 ? undefined : this.#cursor.at(slot)
  }

  remove(tuple: Uint32Array): void {
    const slot = this.#index.size === 0 ? -1 : this.#index.find(tuple)
    if (slot !== -1) this.#removeSlot(slot)
  }

  removePU(contextID: string): void {
    for (let slot = this.#order.first(0); slot !== -1; ) {
      const next = this.#order.after(slot)
      if (this.#store.references[slot]?.pu.contextID === contextID) this.#removeSlot(slot)
      slot = next
    }
  }

  /** Removes what was finished too long ago. */
  sweep(nowMs: number): void {
    for (let slot = this.#order.first(0); slot !== -1; slot = this.#order.first(0)) {
      if (nowMs - this.#store.times[slot]! <= KEPT_MS) return
      this.#removeSlot(slot)
    }
  }

  #removeSlot(slot: number): void {
    this.#order.remove(slot)
    this.#index.remove(slot)
    this.#store.references[slot] = undefined
  }
}

class FinishedStore {
  bytes = new Uint8Array(0)
  words = new Uint32Array(0)
  times = new Float64Array(0)
  flags = new Uint8Array(0)
  readonly references: (References | undefined)[] = []

  write(slot: number, capacity: number, finished: Finished, nowMs: number): void {
    if (capacity > this.flags.length) this.#grow(capacity)
    const { pu, suite, own, peer, isn, answerISN, sentUpTo = 0, sharesEntry = false } = finished
    this.words[slot * WORDS + ISN] = isn
    this.words[slot * WORDS + ANSWER_ISN] = answerISN
    this.words[slot * WORDS + SENT_UP_TO] = sentUpTo
    this.bytes.set(finished.h1, slot * BYTES + H1)
    this.bytes.set(finished.h2, slot * BYTES + H2)
    this.bytes.set(finished.serverMAC, slot * BYTES + SERVER_MAC)
    this.bytes.set(finished.clientMAC, slot * BYTES + CLIENT_MAC)
    if (finished.nonce) this.bytes.set(finished.nonce, slot * BYTES + NONCE)
    this.times[slot] = nowMs
    this.flags[slot] = sharesEntry ? SHARES_ENTRY : 0
    this.references[slot] = { pu, suite, own, peer }
  }

  #grow(capacity: number): void {
    const { bytes, words, times, flags } = this
    this.bytes = new Uint8Array(capacity * BYTES)
    this.words = new Uint32Array(capacity * WORDS)
    this.times = new Float64Array(capacity)
    this.flags = new Uint8Array(capacity)
    this.bytes.set(bytes)
    this.words.set(words)
    this.times.set(times)
    this.flags.set(flags)
  }
}

/** One of them, read and written in place. */
export class FinishedHandshake implements Finished {
  readonly #store: FinishedStore
  #slot = 0

  constructor(store: FinishedStore) {
    this.#store = store
  }

  at(slot: number): this {
    this.#slot = slot
    return this
  }

  get pu(): PUContext {
    return this.#references.pu
  }

  get suite(): Suite {
    return this.#references.suite
  }

  get own(): OwnRecord {
    return this.#references.own
  }

  get peer(): PeerRecord {
    return this.#references.peer
  }

  get isn(): number {
    return this.#word(ISN)
  }

  get answerISN(): number {
    return this.#word(ANSWER_ISN)
  }

  get sentUpTo(): number {
    return this.#word(SENT_UP_TO)
  }

  set sentUpTo(sequence: number) {
    this.#store.words[this.#slot * WORDS + SENT_UP_TO] = sequence
  }

  get h1(): Uint8Array {
    return this.#view(H1, 32)
  }

  get h2(): Uint8Array {
    return this.#view(H2, 32)
  }

  get serverMAC(): Uint8Array {
    return this.#view(SERVER_MAC, 32)
  }

  get clientMAC(): Uint8Array {
    return this.#view(CLIENT_MAC, 32)
  }

  get nonce(): Uint8Array {
    return this.#view(NONCE, 16)
  }

  get sharesEntry(): boolean {
    return this.#hasFlag(SHARES_ENTRY)
  }

  set sharesEntry(sharesEntry: boolean) {
    if (sharesEntry) this.#flag(SHARES_ENTRY)
  }

  /** The client's end was told that nothing vouches for the server any more. */
  get isRefused(): boolean {
    return this.#hasFlag(IS_REFUSED)
  }

  refuse(): void {
    this.#flag(IS_REFUSED)
  }

  /** A reset of the other end has made its record. */
  get isReported(): boolean {
    return this.#hasFlag(IS_REPORTED)
  }

  noteReported(): void {
    this.#flag(IS_REPORTED)
  }

  /** Another answer of the same server's kernel, whose enforcer had forgotten the first. */
  answerAnew(peer: PeerRecord, h2: Uint8Array, serverMAC: Uint8Array, clientMAC: Uint8Array): void {
    this.#references.peer = peer
    this.h2.set(h2)
    this.serverMAC.set(serverMAC)
    this.clientMAC.set(clientMAC)
  }

  get #references(): References {
    return this.#store.references[this.#slot]!
  }

  #word(at: number): number {
    return this.#store.words[this.#slot * WORDS + at]!
  }

  #view(at: number, length: number): Uint8Array {
    const start = this.#slot * BYTES + at
    return this.#store.bytes.subarray(start, start + length)
  }

  #hasFlag(flag: number): boolean {
    return (this.#store.flags[this.#slot]! & flag) !== 0
  }

  #flag(flag: number): void {
    this.#store.flags[this.#slot]! |= flag
  }
}
