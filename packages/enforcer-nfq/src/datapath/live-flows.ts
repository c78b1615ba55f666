import type { FlowState, VerifiedRecord } from '@trireme/core'

/** What rules can ask of a peer. */
export type PeerClaims = Pick<VerifiedRecord, 'issuer' | 'puID' | 'tags' | 'shortTags'>

/** What is kept of a connection that was let through, so that it can be decided again under another policy. */
export interface LiveFlow {
  /** Which end of the connection the PU is. */
  readonly role: 'client' | 'server'
  /** The flow key of the packets from the client. */
  readonly key: string
  /** The PU's. */
  readonly contextID: string
  /** Undefined where a rule over addresses let it through. */
  readonly peer: PeerClaims | undefined
  readonly addedAtMs: number
}

const MAX_LIVE_FLOWS = 131_072

/** The live flows of one network namespace, by role and key; beyond the bound the eldest go. */
export class LiveFlows {
  readonly #flows = new Map<string, LiveFlow>()
  readonly #onAdd: (flow: LiveFlow) => void

  constructor(onAdd: (flow: LiveFlow) => void = () => {}) {
    this.#onAdd = onAdd
  }

  get size(): number {
    return this.#flows.size
  }

  /** Adds, or replaces what an earlier connection of the tuple left. */
  add(flow: LiveFlow): void {
    this.restore(flow)
    this.#onAdd(flow)
  }

  /** Adds what was kept elsewhere. */
  restore(flow: LiveFlow): void {
    const place = placeOf(flow.role, flow.key)
    this.#flows.delete(place)
    if (this.#flows.size >= MAX_LIVE_FLOWS) this.#evict()
    this.#flows.set(place, flow)
  }

  /**
   * What is known of a connection whose entry is in this state. A peer that an earlier connection of the tuple had says nothing of
   * one that addresses let through: the kernel may have let that in without a word.
   */
  find(role: LiveFlow['role'], key: string, state: FlowState): LiveFlow | undefined {
    const flow = this.#flows.get(placeOf(role, key))
    return state === 'acl' && flow?.peer ? undefined : flow
  }

  values(): Iterable<LiveFlow> {
    return this.#flows.values()
  }

  removeWhere(isGone: (flow: LiveFlow) => boolean): void {
    for (const [place, flow] of this.#flows) if (isGone(flow)) this.#flows.delete(place)
  }

  #evict(): void {
    const eldest = this.#flows.keys().next()
    if (!eldest.done) this.#flows.delete(eldest.value)
  }
}

function placeOf(role: LiveFlow['role'], key: string): string {
  return role[0] + key
}
