import type { FlowState, VerifiedRecord } from '@trireme/core'
import { Shares } from './shares.js'

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

/** Whether one of the addresses, each the text of 16 bytes, is at an end of the flow key. */
export function hasAddress(key: string, addresses: ReadonlySet<string>): boolean {
  return addresses.has(key.slice(0, 16)) || addresses.has(key.slice(18, 34))
}

const MAX_LIVE_FLOWS = 131_072

/** The live flows of one network namespace, by role and key; beyond the bound the eldest go, of the PU that has most. */
export class LiveFlows {
  readonly #flows = new Map<string, LiveFlow>()
  readonly #flowsOfPU = new Shares<LiveFlow>(({ contextID }) => contextID)
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
    this.#remove(flow)
    const eldest = this.#flows.size >= MAX_LIVE_FLOWS ? this.#flowsOfPU.eldestOfFullest() : undefined
    if (eldest) this.#remove(eldest)
    this.#flows.set(placeOf(flow), flow)
    this.#flowsOfPU.add(flow)
  }

  /**
   * What is known of a connection whose entry is in this state. A peer that an earlier connection of the tuple had says nothing of
   * one that addresses let through: the kernel may have let that in without a word.
   */
  find(role: LiveFlow['role'], key: string, state: FlowState): LiveFlow | undefined {
    const flow = this.#flows.get(placeOf({ role, key }))
    return state === 'acl' && flow?.peer ? undefined : flow
  }

  values(): Iterable<LiveFlow> {
    return this.#flows.values()
  }

  removeWhere(isGone: (flow: LiveFlow) => boolean): void {
    for (const flow of this.#flows.values()) if (isGone(flow)) this.#remove(flow)
  }

  /** What is known of its tuple and role. */
  #remove(flow: Pick<LiveFlow, 'role' | 'key'>): void {
    const place = placeOf(flow)
    const known = this.#flows.get(place)
    if (!known) return
    this.#flows.delete(place)
    this.#flowsOfPU.remove(known)
  }
}

function placeOf({ role, key }: Pick<LiveFlow, 'role' | 'key'>): string {
  return role[0] + key
}
