import { type FlowReason, formatAddress, type RepeatedRefusal, TwoGenerationMap } from '@trireme/core'

const REMEMBERED = 1024

/** One refusal, of which there may have been others. */
export interface Refusal {
  readonly contextID: string
  readonly role: 'client' | 'server'
  /** The flow key of the packets from the client. */
  readonly key: string
  /** The empty string where the peer proved no identity. */
  readonly issuer: string
  readonly reason: FlowReason
}

interface Counted extends Refusal {
  readonly address: string
  readonly firstMs: number
  count: number
  lastMs: number
}

/** Counts refusals by PU, peer and reason, a bounded number of each. What strangers send crowds out nothing else. */
export class RepeatedRefusals {
  readonly #ofPeers = new TwoGenerationMap<string, Counted>(REMEMBERED)
  readonly #ofStrangers = new TwoGenerationMap<string, Counted>(REMEMBERED)

  note(refusal: Refusal, nowMs: number): void {
    const { contextID, role, key, issuer, reason } = refusal
    const address = role === 'client' ? key.slice(18, 34) : key.slice(0, 16)
    const refusals = role === 'server' && issuer === '' ? this.#ofStrangers : this.#ofPeers
    const place = `${role}${reason} ${address}${contextID} ${issuer}`
    const known = refusals.get(place)
    if (known) {
      known.count++
      known.lastMs = nowMs
    } else refusals.set(place, { ...refusal, address, firstMs: nowMs, count: 1, lastMs: nowMs })
  }

  /** The most frequent first. */
  list(): readonly RepeatedRefusal[] {
    const all = [...this.#ofPeers.values(), ...this.#ofStrangers.values()]
    return all.sort((a, b) => b.count - a.count).map(asRepeated)
  }
}

function asRepeated({ contextID, role, address, issuer, reason, count, firstMs, lastMs }: Counted) {
  return {
    contextID,
    role,
    address: formatAddress(Buffer.from(address, 'latin1')),
    issuer,
    reason,
    count,
    first: new Date(firstMs).toISOString(),
    last: new Date(lastMs).toISOString(),
  }
}
