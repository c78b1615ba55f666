import type { ClientFlow, ServerFlow } from './flow.js'
import { Shares } from './shares.js'
import { sourceOf } from './sources.js'

/** An entry is forgotten this long after its last packet: a SYN is resent after 1, 3, 7, 15, 31 and 63 s. */
export const FLOW_IDLE_MS = 64_000
const MAX_FLOWS = 65_536
/** Of those that wait for their MAC_c: beyond it a source's own eldest goes. */
const MAX_FLOWS_OF_SOURCE = MAX_FLOWS / 16
/** SYNs with different ISNs or overlays that may wait on one tuple. */
const MAX_CANDIDATES = 2

/**
 * The handshakes that one network namespace knows of, bounded: beyond the bound the eldest go, of clients those of the PU that has
 * most, of servers half-open ones of the fullest source first.
 */
export class FlowTable {
  readonly #clients = new Map<string, ClientFlow>()
  /** Per tuple, in the order of their last SYNs, the eldest first. */
  readonly #servers = new Map<string, ServerFlow[]>()
  readonly #clientsOfPU = new Shares<ClientFlow>(({ pu }) => pu.contextID)
  readonly #halfOpen = new Shares<ServerFlow>(({ key }) => sourceOf(key))

  client(key: string): ClientFlow | undefined {
    return this.#clients.get(key)
  }

  /** Replaces a flow of the same tuple. */
  addClient(flow: ClientFlow): void {
    this.removeClient(flow.key)
    const eldest = this.#clients.size >= MAX_FLOWS ? this.#clientsOfPU.eldestOfFullest() : undefined
    if (eldest) this.removeClient(eldest.key)
    this.#clients.set(flow.key, flow)
    this.#clientsOfPU.add(flow)
  }

  removeClient(key: string): void {
    const flow = this.#clients.get(key)
    if (!flow) return
    this.#clients.delete(key)
    this.#clientsOfPU.remove(flow)
  }

  /** All flows of a tuple, the eldest first. */
  servers(key: string): readonly ServerFlow[] {
    return this.#servers.get(key) ?? []
  }

  /** Adds a candidate; where a tuple has too many, its eldest undecided one goes. */
  addServer(flow: ServerFlow): void {
    const flows = this.#servers.get(flow.key) ?? []
    const candidates = flows.filter(other => other.stage === 'syn-received')
    if (candidates.length >= MAX_CANDIDATES) this.#forget(flows, candidates[0]!)
    const source = sourceOf(flow.key)
    const ownEldest = this.#halfOpen.eldestOf(source, MAX_FLOWS_OF_SOURCE)
    if (ownEldest) this.#evict(ownEldest)
    else if (flows.length === 0 && this.#servers.size >= MAX_FLOWS) this.#evictServer()
    flows.push(flow)
    this.#servers.set(flow.key, flows)
    if (flow.stage === 'syn-received') this.#halfOpen.add(flow)
  }

  /** The flow's SYN came again: it is its tuple's youngest. */
  rejuvenate(flow: ServerFlow): void {
    const flows = this.#servers.get(flow.key) ?? []
    flows.splice(flows.indexOf(flow), 1)
    flows.push(flow)
  }

  /** The flow became the tuple's one connection: what else was kept for the tuple goes. */
  settle(flow: ServerFlow): void {
    this.#halfOpen.remove(flow)
    const flows = this.#servers.get(flow.key) ?? []
    for (const other of [...flows]) if (other !== flow) this.#forget(flows, other)
  }

  /**
   * The PU's kernel answered a SYN of the tuple under this ISN: the connection that was authorized there is over, and so is
   * every socket that answered under another one, so that a late MAC_c for it authorizes nothing.
   */
  demote(key: string, isn: number): void {
    const flows = this.#servers.get(key) ?? []
    for (const flow of [...flows]) {
      if (flow.stage === 'auth') this.#forget(flows, flow)
      else if (flow.answer && flow.answer.isn !== isn) {
        flow.formerAnswer = flow.answer
        flow.answer = undefined
      }
    }
  }

  /** Forgets the flows of a PU that is enforced no longer. */
  removePU(contextID: string): void {
    this.#removeWhere(flow => flow.pu.contextID === contextID)
  }

  /** Forgets what has been idle too long. */
  sweep(nowMs: number): void {
    this.#removeWhere(flow => nowMs - flow.lastSeenMs > FLOW_IDLE_MS)
  }

  get size(): number {
    return this.#clients.size + this.#servers.size
  }

  #removeWhere(isGone: (flow: ClientFlow | ServerFlow) => boolean): void {
    for (const [key, flow] of this.#clients) if (isGone(flow)) this.removeClient(key)
    for (const [key, flows] of this.#servers) {
      for (const flow of [...flows]) if (isGone(flow)) this.#forget(flows, flow)
      if (flows.length === 0) this.#servers.delete(key)
    }
  }

  #forget(flows: ServerFlow[], flow: ServerFlow): void {
    flows.splice(flows.indexOf(flow), 1)
    this.#halfOpen.remove(flow)
  }

  #evict(flow: ServerFlow): void {
    const flows = this.#servers.get(flow.key) ?? []
    this.#forget(flows, flow)
    if (flows.length === 0) this.#servers.delete(flow.key)
  }

  #evictServer(): void {
    const halfOpen = this.#halfOpen.eldestOfFullest()
    if (halfOpen) {
      this.#evict(halfOpen)
      return
    }
    const eldest = this.#servers.entries().next()
    if (eldest.done) return
    const [key, flows] = eldest.value
    for (const flow of [...flows]) this.#forget(flows, flow)
    this.#servers.delete(key)
  }
}
