import type { ServerFlow } from '../flow.js'
import { sourceOf } from '../sources.js'
import { FairShares } from './fair-shares.js'

/** Handshakes of peers that have not completed one lately, and of those that have: each has its own half of the table. */
const MAX_OF_KIND = 32_768
/** Of those that have not, by the record that they show, by its issuer, and by the address that they come from. */
const MAX_OF_RECORD = MAX_OF_KIND / 8
const MAX_OF_ISSUER = MAX_OF_KIND / 4
const MAX_OF_ADDRESS = MAX_OF_KIND / 8
/** Of one peer that has. */
const MAX_OF_PROVEN = MAX_OF_KIND / 2
/** A handshake of a proven peer is given up for its own next one only when it is this old. */
const MIN_LIFE_MS = 1000

/**
 * The bound of the handshakes that wait for their MAC_c. Peers that completed a handshake lately and peers that may be made up do not
 * compete: an unproven one gives way to younger ones of its record, issuer or address, and never displaces a proven one. A proven
 * peer's newest is refused where it has too many.
 */
export class HalfOpen {
  readonly #proven = new FairShares<ServerFlow>()
  readonly #ofRecord = new FairShares<ServerFlow>()
  readonly #ofIssuer = new FairShares<ServerFlow>()
  readonly #ofAddress = new FairShares<ServerFlow>()
  readonly #forget: (flow: ServerFlow) => void

  /** `forget` removes a flow from the table, and calls `remove` for it. */
  constructor(forget: (flow: ServerFlow) => void) {
    this.#forget = forget
  }

  get size(): number {
    return this.#proven.size + this.#ofRecord.size
  }

  /** False where there is no room for it. */
  add(flow: ServerFlow, nowMs: number): boolean {
    return flow.isProven ? this.#addProven(flow, nowMs) : this.#addUnproven(flow)
  }

  remove(flow: ServerFlow): void {
    const { places } = flow
    flow.places = []
    if (flow.isProven) {
      for (const place of places) this.#proven.remove(place)
      return
    }
    const [record, issuer, address] = places
    if (record) this.#ofRecord.remove(record)
    if (issuer) this.#ofIssuer.remove(issuer)
    if (address) this.#ofAddress.remove(address)
  }

  #addProven(flow: ServerFlow, nowMs: number): boolean {
    const owner = flow.peer.claims.issuer + sourceOf(flow.key)
    const isFull = this.#proven.size >= MAX_OF_KIND
    const mustOwnGiveWay =
      this.#proven.sizeOf(owner) >= MAX_OF_PROVEN || (isFull && this.#proven.isGreediest(owner))
    const givesWay = mustOwnGiveWay
      ? this.#proven.oldestOf(owner)
      : isFull && this.#proven.newestOf(this.#proven.fullest()!)
    if (givesWay && mustOwnGiveWay && nowMs - givesWay.lastSeenMs < MIN_LIFE_MS) return false
    if (givesWay) this.#forget(givesWay)
    flow.places = [this.#proven.add(owner, flow)]
    return true
  }

  #addUnproven(flow: ServerFlow): boolean {
    const { peer, key } = flow
    const record = peer.hash.toString('latin1')
    const { issuer } = peer.claims
    const address = sourceOf(key)
    const full =
      oldestBeyond(this.#ofRecord, record, MAX_OF_RECORD) ??
      oldestBeyond(this.#ofIssuer, issuer, MAX_OF_ISSUER) ??
      oldestBeyond(this.#ofAddress, address, MAX_OF_ADDRESS)
    const isFull = this.#ofRecord.size >= MAX_OF_KIND
    const givesWay = full ?? (isFull ? this.#ofIssuer.oldestOf(this.#ofIssuer.fullest()!) : undefined)
    if (givesWay) this.#forget(givesWay)
    flow.places = [
      this.#ofRecord.add(record, flow),
      this.#ofIssuer.add(issuer, flow),
      this.#ofAddress.add(address, flow),
    ]
    return true
  }
}

function oldestBeyond(shares: FairShares<ServerFlow>, owner: string, most: number): ServerFlow | undefined {
  return shares.sizeOf(owner) >= most ? shares.oldestOf(owner) : undefined
}
