import { hasAddress, type LiveFlow, type PeerClaims } from './datapath/live-flows.js'
import type { FlowJournal } from './flow-journal.js'

/** What was known of one network namespace. */
export interface NamespaceMemory {
  readonly epoch: number | undefined
  readonly liveFlows: readonly LiveFlow[]
}

const NO_MEMORY: NamespaceMemory = { epoch: undefined, liveFlows: [] }
/** Beyond so many lines the journal is written anew, if less than half of them still mean something. */
const COMPACT_AT_LINES = 20_000

/** Everything that a journal shall say. */
export interface MemoryContent {
  readonly namespaces: ReadonlyMap<string, { readonly epoch: number; readonly liveFlows: Iterable<LiveFlow> }>
  /** Digests by context ID. */
  readonly policies: ReadonlyMap<string, string>
  /** Of the PUs in force by context ID: see `addresses`. */
  readonly addresses: ReadonlyMap<string, ReadonlySet<string>>
}

/**
 * Epochs, live flows and digests of policies, written to a journal in batches. A line is a JSON object:
 *
 * ```text
 * {ns, epoch}   {pu, policy}   {pu, own}   {ns, without}   {peer, claims}   {flow, role, ns, pu, peer, at}
 * ```
 *
 * `ns` names a network namespace, `flow` is its key in base64, `peer` a number that an earlier line explains; absent where a rule over
 * addresses decided. `own` lists a PU's own addresses in base64, null of one that is not in force any more; no flow of an earlier line is known that
 * has an address of `without`. The latest line holds.
 */
export class FlowMemory {
  readonly #journal: FlowJournal
  readonly #onError: (error: unknown) => void
  readonly #namespaces = new Map<string, { epoch: number | undefined; liveFlows: LiveFlow[] }>()
  readonly #policies = new Map<string, string>()
  readonly #addresses = new Map<string, ReadonlySet<string>>()
  #peers = new PeerNumbers()
  #pending: string[] = []
  #lines = 0
  #writing: Promise<void> = Promise.resolve()

  constructor(journal: FlowJournal, onError: (error: unknown) => void) {
    this.#journal = journal
    this.#onError = onError
  }

  /** Reads the journal. Lines that are damaged, as the last may be after a crash, are passed over. */
  async load(): Promise<void> {
    const peers = new Map<number, PeerClaims>()
    const lines = await this.#journal.read()
    this.#namespaces.clear()
    for (const line of lines) this.#take(parseLine(line), peers)
    this.#lines = lines.length
    // Whoever explains a peer again must not take a number that means another.
    this.#peers = new PeerNumbers(Math.max(0, ...peers.keys()))
  }

  namespace(name: string): NamespaceMemory {
    return this.#namespaces.get(name) ?? NO_MEMORY
  }

  /** The digest of the policy that was last in force. */
  policy(contextID: string): string | undefined {
    return this.#policies.get(contextID)
  }

  /** The addresses that the PU had for itself, each the text of 16 bytes; undefined for one that was not in force. */
  addresses(contextID: string): ReadonlySet<string> | undefined {
    return this.#addresses.get(contextID)
  }

  noteEpoch(ns: string, epoch: number): void {
    this.#note({ ns, epoch })
  }

  notePolicy(pu: string, policy: string): void {
    if (this.#policies.get(pu) === policy) return
    this.#policies.set(pu, policy)
    this.#note({ pu, policy })
  }

  /** Of a PU in force, or with undefined of one that is not any more. */
  noteAddresses(pu: string, addresses: ReadonlySet<string> | undefined): void {
    const own = addresses ? [...addresses].map(toBase64) : null
    const known = this.#addresses.get(pu)
    if (JSON.stringify(own) === JSON.stringify(known ? [...known].map(toBase64) : null)) return
    if (addresses) this.#addresses.set(pu, addresses)
    else this.#addresses.delete(pu)
    this.#note({ pu, own })
  }

  /** That the flows of the addresses are forgotten. */
  noteForgotten(ns: string, addresses: ReadonlySet<string>): void {
    this.#note({ ns, without: [...addresses].map(toBase64) })
  }

  noteFlow(ns: string, flow: LiveFlow): void {
    this.#pending.push(...flowLines(ns, flow, this.#peers))
  }

  /** Writes what was noted. `content` is asked for where the journal has grown too long. */
  flush(content: () => MemoryContent): Promise<void> {
    const lines = this.#pending
    this.#pending = []
    if (lines.length === 0) return this.#writing
    this.#lines += lines.length
    if (this.#lines > COMPACT_AT_LINES) this.#compact(lines, content())
    else this.#write(() => this.#journal.append(lines))
    return this.#writing
  }

  #compact(lines: readonly string[], content: MemoryContent): void {
    const peers = new PeerNumbers()
    const all = contentLines(content, peers)
    if (all.length > this.#lines / 2) {
      this.#write(() => this.#journal.append(lines))
      return
    }
    this.#peers = peers
    this.#lines = all.length
    this.#write(() => this.#journal.rewrite(all))
  }

  #write(step: () => Promise<void>): void {
    this.#writing = this.#writing.then(step).catch(this.#onError)
  }

  #note(line: object): void {
    this.#pending.push(JSON.stringify(line))
  }

  #take(line: JournalLine, peers: Map<number, PeerClaims>): void {
    if (line.claims && typeof line.peer === 'number') peers.set(line.peer, revive(line.claims))
    else if (typeof line.pu === 'string' && typeof line.policy === 'string')
      this.#policies.set(line.pu, line.policy)
    else if (typeof line.pu === 'string' && line.own !== undefined) this.#takeAddresses(line.pu, line.own)
    else if (typeof line.ns !== 'string') return
    else if (typeof line.epoch === 'number') this.#open(line.ns).epoch = line.epoch
    else if (Array.isArray(line.without)) this.#forget(line.ns, new Set(line.without.map(fromBase64)))
    else if (typeof line.flow === 'string') {
      const flow = reviveFlow(line, peers)
      if (flow) this.#open(line.ns).liveFlows.push(flow)
    }
  }

  #takeAddresses(pu: string, own: unknown): void {
    if (Array.isArray(own)) this.#addresses.set(pu, new Set(own.map(fromBase64)))
    else this.#addresses.delete(pu)
  }

  #forget(ns: string, addresses: ReadonlySet<string>): void {
    const known = this.#open(ns)
    known.liveFlows = known.liveFlows.filter(({ key }) => !hasAddress(key, addresses))
  }

  #open(ns: string) {
    const known = this.#namespaces.get(ns) ?? { epoch: undefined, liveFlows: [] }
    this.#namespaces.set(ns, known)
    return known
  }
}

interface JournalLine {
  readonly ns?: unknown
  readonly epoch?: unknown
  readonly pu?: unknown
  readonly policy?: unknown
  readonly own?: unknown
  readonly without?: unknown
  readonly peer?: unknown
  readonly claims?: KeptClaims
  readonly flow?: unknown
  readonly role?: unknown
  readonly at?: unknown
}

interface KeptClaims extends Omit<PeerClaims, 'shortTags'> {
  readonly shortTags?: { readonly keys: readonly string[]; readonly tags: readonly string[] }
}

/** Peers are many flows' and are explained once. */
class PeerNumbers {
  readonly #numbers = new Map<string, number>()
  #last: number

  constructor(last = 0) {
    this.#last = last
  }

  /** The peer's number, and the line that explains it if it is new. */
  of(peer: PeerClaims): { readonly number: number; readonly lines: readonly string[] } {
    const claims = keep(peer)
    const text = JSON.stringify(claims)
    const known = this.#numbers.get(text)
    if (known !== undefined) return { number: known, lines: [] }
    const number = ++this.#last
    this.#numbers.set(text, number)
    return { number, lines: [JSON.stringify({ peer: number, claims })] }
  }
}

function contentLines(content: MemoryContent, peers: PeerNumbers): readonly string[] {
  const { namespaces, policies, addresses } = content
  const lines = [...policies].map(([pu, policy]) => JSON.stringify({ pu, policy }))
  for (const [pu, own] of addresses) lines.push(JSON.stringify({ pu, own: [...own].map(toBase64) }))
  for (const [ns, { epoch, liveFlows }] of namespaces) {
    lines.push(JSON.stringify({ ns, epoch }))
    for (const flow of liveFlows) lines.push(...flowLines(ns, flow, peers))
  }
  return lines
}

function flowLines(ns: string, flow: LiveFlow, peers: PeerNumbers): readonly string[] {
  const { role, key, contextID: pu, addedAtMs: at } = flow
  const { number: peer, lines } = flow.peer ? peers.of(flow.peer) : { number: undefined, lines: [] }
  return [...lines, JSON.stringify({ flow: toBase64(key), role, ns, pu, peer, at })]
}

function keep({ issuer, puID, tags, shortTags }: PeerClaims): KeptClaims {
  const short = shortTags && { shortTags: { keys: [...shortTags.keys], tags: [...shortTags.tags] } }
  return { issuer, puID, tags, ...short }
}

function revive({ shortTags, ...claims }: KeptClaims): PeerClaims {
  if (!shortTags) return claims
  return { ...claims, shortTags: { keys: new Set(shortTags.keys), tags: new Set(shortTags.tags) } }
}

function reviveFlow(line: JournalLine, peers: ReadonlyMap<number, PeerClaims>): LiveFlow | undefined {
  const { flow, role, pu, peer, at } = line
  const claims = typeof peer === 'number' ? peers.get(peer) : undefined
  const isRole = role === 'client' || role === 'server'
  if ((!claims && peer !== undefined) || !isRole || typeof pu !== 'string' || typeof flow !== 'string')
    return undefined
  const key = fromBase64(flow)
  return { role, key, contextID: pu, peer: claims, addedAtMs: typeof at === 'number' ? at : 0 }
}

function toBase64(text: string): string {
  return Buffer.from(text, 'latin1').toString('base64')
}

function fromBase64(text: unknown): string {
  return Buffer.from(String(text), 'base64').toString('latin1')
}

function parseLine(line: string): JournalLine {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
