import type { ServerFlow } from '../flow.js'
import { HANDSHAKE_IDLE_MS } from './client-handshakes.js'
import { ExpiryWheel } from './expiry-wheel.js'
import { type FinishedHandshake, FinishedHandshakes } from './finished-handshakes.js'
import { HalfOpen } from './half-open.js'
import { tupleOf } from './tuple-hash.js'
import { TupleIndex } from './tuple-index.js'

const MAX_TUPLES = 65_536
/** SYNs with different ISNs or overlays that may wait on one tuple. */
const MAX_CANDIDATES = 2

/**
 * The connections that peers open to PUs of one network namespace: those that await their MAC_c, bounded as `HalfOpen` says, and those
 * that have had it, which take no place among these.
 */
export class ServerHandshakes {
  readonly #index = new TupleIndex(MAX_TUPLES)
  /** By the tuple's slot its youngest flow, from which the others hang. */
  readonly #youngest: (ServerFlow | undefined)[] = []
  readonly #wheel = new ExpiryWheel()
  readonly #authorized = new FinishedHandshakes()
  readonly #halfOpen: HalfOpen

  /** `onGivenUp` hears of a handshake that made room for another. */
  constructor(onGivenUp: (flow: ServerFlow) => void) {
    this.#halfOpen = new HalfOpen(flow => {
      this.#forget(flow)
      onGivenUp(flow)
    })
  }

  get size(): number {
    return this.#halfOpen.size
  }

  /** How many finished ones are remembered for their resends. */
  get finished(): number {
    return this.#authorized.size
  }

  /** The tuple's youngest candidate; `older` leads to the others. */
  find(tuple: Uint32Array): ServerFlow | undefined {
    if (this.#index.size === 0) return undefined
    const slot = this.#index.find(tuple)
    return slot === -1 ? undefined : this.#youngest[slot]
  }

  /** The tuple's connection whose MAC_c held. Good until the next call. */
  authorized(tuple: Uint32Array): FinishedHandshake | undefined {
    return this.#authorized.find(tuple)
  }

  /** Adds a candidate; where a tuple has too many, its oldest goes. False where there is no room for it. */
  add(flow: ServerFlow, nowMs: number): boolean {
    if (!this.#halfOpen.add(flow, nowMs)) return false
    const youngest = this.find(tupleOf(flow.key))
    const slot = youngest ? this.#slotOf(flow) : this.#index.add(tupleOf(flow.key))
    flow.older = youngest
    this.#youngest[slot] = flow
    if (!youngest) this.#wheel.schedule(slot, nowMs + HANDSHAKE_IDLE_MS)
    let kept = flow
    for (let count = 1; count < MAX_CANDIDATES && kept.older; count++) kept = kept.older
    if (kept.older) this.#forget(kept.older)
    return true
  }

  /** The flow's SYN came again: it is its tuple's youngest. */
  rejuvenate(flow: ServerFlow): void {
    const slot = this.#slotOf(flow)
    if (this.#youngest[slot] === flow) return
    this.#unlink(slot, flow)
    flow.older = this.#youngest[slot]
    this.#youngest[slot] = flow
  }

  /** The flow's MAC_c held: it is the tuple's one connection, and what else was kept for the tuple goes. */
  authorize(flow: ServerFlow, clientMAC: Uint8Array, nowMs: number): void {
    const { answer, key, pu, suite, peer, isn, h1 } = flow
    if (!answer) return
    for (let other = this.find(tupleOf(key)); other; other = other.older) this.#halfOpen.remove(other)
    this.#removeSlot(this.#slotOf(flow))
    const { isn: answerISN, h2, mac: serverMAC, nonce, own } = answer
    const handshake = { pu, suite, own, peer, isn, answerISN, h1, h2, serverMAC, clientMAC, nonce }
    this.#authorized.add(tupleOf(key), handshake, nowMs)
  }

  /**
   * The PU's kernel answered a SYN of the tuple under this ISN: the connection that was authorized there is over, and so is
   * every socket that answered under another one, so that a late MAC_c for it authorizes nothing.
   */
  demote(tuple: Uint32Array, isn: number): void {
    this.#authorized.remove(tuple)
    for (let flow = this.find(tuple); flow; flow = flow.older) {
      if (!flow.answer || flow.answer.isn === isn) continue
      flow.formerAnswer = flow.answer
      flow.answer = undefined
    }
  }

  removePU(contextID: string): void {
    this.#removeWhere(flow => flow.pu.contextID === contextID)
    this.#authorized.removePU(contextID)
  }

  /** Forgets what has been idle too long. */
  sweep(nowMs: number): void {
    this.#wheel.advance(nowMs, slot => {
      let latest = 0
      for (let flow = this.#youngest[slot]; flow; flow = flow.older) {
        if (nowMs - flow.lastSeenMs > HANDSHAKE_IDLE_MS) this.#forget(flow)
        else latest = Math.max(latest, flow.lastSeenMs)
      }
      if (this.#youngest[slot]) this.#wheel.schedule(slot, latest + HANDSHAKE_IDLE_MS + 1)
    })
    this.#authorized.sweep(nowMs)
  }

  #removeWhere(isGone: (flow: ServerFlow) => boolean): void {
    for (const youngest of this.#youngest)
      for (let flow = youngest; flow; flow = flow.older) if (isGone(flow)) this.#forget(flow)
  }

  /** `older` of what was forgotten still leads on. */
  #forget(flow: ServerFlow): void {
    const slot = this.#slotOf(flow)
    this.#halfOpen.remove(flow)
    this.#unlink(slot, flow)
    if (!this.#youngest[slot]) this.#removeSlot(slot)
  }

  #unlink(slot: number, flow: ServerFlow): void {
    if (this.#youngest[slot] === flow) {
      this.#youngest[slot] = flow.older
      return
    }
    for (let younger = this.#youngest[slot]; younger; younger = younger.older)
      if (younger.older === flow) younger.older = flow.older
  }

  #removeSlot(slot: number): void {
    this.#index.remove(slot)
    this.#wheel.cancel(slot)
    this.#youngest[slot] = undefined
  }

  #slotOf({ key }: ServerFlow): number {
    return this.#index.find(tupleOf(key))
  }
}
