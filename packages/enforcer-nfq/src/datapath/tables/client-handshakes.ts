import type { ClientFlow } from '../flow.js'
import { ExpiryWheel } from './expiry-wheel.js'
import { FairShares } from './fair-shares.js'
import { type FinishedHandshake, FinishedHandshakes } from './finished-handshakes.js'
import { tupleOf } from './tuple-hash.js'
import { TupleIndex } from './tuple-index.js'

/** A handshake is forgotten this long after its last packet: a SYN is resent after 1, 3, 7, 15, 31 and 63 s. */
export const HANDSHAKE_IDLE_MS = 64_000
const MAX_CLIENTS = 32_768

/**
 * The connections that PUs of one network namespace open: those under way, bounded, and those whose MAC_c has left, which take no
 * place among these. Where there is no room, the newest of the PU that has most is given up, or refused.
 */
export class ClientHandshakes {
  readonly #index = new TupleIndex(MAX_CLIENTS)
  readonly #flows: (ClientFlow | undefined)[] = []
  readonly #wheel = new ExpiryWheel()
  readonly #ofPU = new FairShares<ClientFlow>()
  readonly #released = new FinishedHandshakes()
  readonly #onGivenUp: (flow: ClientFlow) => void

  /** `onGivenUp` hears of a handshake that made room for another. */
  constructor(onGivenUp: (flow: ClientFlow) => void) {
    this.#onGivenUp = onGivenUp
  }

  get size(): number {
    return this.#index.size
  }

  /** How many finished ones are remembered for their resends. */
  get finished(): number {
    return this.#released.size
  }

  find(tuple: Uint32Array): ClientFlow | undefined {
    if (this.#index.size === 0) return undefined
    const slot = this.#index.find(tuple)
    return slot === -1 ? undefined : this.#flows[slot]
  }

  /** Of a connection whose MAC_c has left. Good until the next call. */
  released(tuple: Uint32Array): FinishedHandshake | undefined {
    return this.#released.find(tuple)
  }

  /** Replaces what is known of the tuple. False where there is no room for it: nothing has changed then. */
  add(flow: ClientFlow, nowMs: number): boolean {
    const owner = flow.pu.contextID
    if (this.#index.isFull && !this.find(tupleOf(flow.key))) {
      if (this.#ofPU.isGreediest(owner)) return false
      const newest = this.#ofPU.newestOf(this.#ofPU.fullest()!)!
      this.#removeFlow(newest)
      this.#onGivenUp(newest)
    }
    this.remove(tupleOf(flow.key))
    const slot = this.#index.add(tupleOf(flow.key))
    this.#flows[slot] = flow
    flow.place = this.#ofPU.add(owner, flow)
    this.#wheel.schedule(slot, nowMs + HANDSHAKE_IDLE_MS)
    return true
  }

  /** Forgets what is known of the tuple, finished or not. */
  remove(tuple: Uint32Array): void {
    const flow = this.find(tuple)
    if (flow) this.#removeFlow(flow)
    this.#released.remove(tuple)
  }

  /** The flow's MAC_c leaves. */
  release(flow: ClientFlow, nowMs: number): void {
    const { answer, peer, clientMAC, key, pu, suite, own, isn, h1, sentUpTo, sharesEntry } = flow
    if (!answer || !peer || !clientMAC) return
    this.#removeFlow(flow)
    const { isn: answerISN, h2, mac: serverMAC } = answer
    const ends = { pu, suite, own, peer, isn, answerISN, sentUpTo, sharesEntry }
    this.#released.add(tupleOf(key), { ...ends, h1, h2, serverMAC, clientMAC }, nowMs)
  }

  removePU(contextID: string): void {
    for (const flow of this.#flows) if (flow?.pu.contextID === contextID) this.#removeFlow(flow)
    this.#released.removePU(contextID)
  }

  /** Forgets what has been idle too long. */
  sweep(nowMs: number): void {
    this.#wheel.advance(nowMs, slot => {
      const flow = this.#flows[slot]
      if (!flow) return
      if (nowMs - flow.lastSeenMs > HANDSHAKE_IDLE_MS) this.#removeFlow(flow)
      else this.#wheel.schedule(slot, flow.lastSeenMs + HANDSHAKE_IDLE_MS + 1)
    })
    this.#released.sweep(nowMs)
  }

  #removeFlow(flow: ClientFlow): void {
    const slot = this.#index.find(tupleOf(flow.key))
    this.#index.remove(slot)
    this.#wheel.cancel(slot)
    this.#flows[slot] = undefined
    if (flow.place) this.#ofPU.remove(flow.place)
    flow.place = undefined
  }
}
