import { EPOCH_COUNT, epochDifference, epochOfMark, stateOfMark } from '@trireme/core'
import type { Connection, Connections, ListedSocket } from './connections.js'
import { judgeLiveFlow } from './datapath/decide-again.js'
import { hasAddress, type LiveFlow } from './datapath/live-flows.js'
import type { Path } from './datapath/path.js'
import type { PUContext } from './datapath/pu-context.js'
import { decideByAddress } from './datapath/unidentified.js'

const IPPROTO_TCP = 6
/** A flow is known before its verdict has reached the kernel. */
const YOUNG_MS = 5000

/**
 * Decides the connections of one network namespace again whose marks are of another epoch: what is allowed still goes over into
 * the current one, what is not is ended at once, idle or not.
 */
export class Settlement {
  readonly #path: Path
  readonly #open: () => Connections
  /** What decided over addresses at the end of each epoch: the PU of a connection that it let through is one that allowed it. */
  readonly #addressRules = new Map<number, readonly PUContext[]>()

  constructor(path: Path, open: () => Connections) {
    this.#path = path
    this.#open = open
  }

  /** The next epoch that no connection carries. The PUs are those of the epoch that ends. */
  nextEpoch(current: number, pus: readonly PUContext[]): number {
    this.#addressRules.set(current, pus)
    return this.#with(connections => {
      const listed = connections.list()
      for (let step = 1; step < EPOCH_COUNT; step++) {
        const epoch = (current + step) % EPOCH_COUNT
        if (!listed.some(({ mark }) => epochOfMark(mark) === epoch)) return epoch
      }
      // Nobody has been able to decide them for fifteen changes: whoever cannot be asked about is out.
      const epoch = (current + 1) % EPOCH_COUNT
      const carrying = listed.filter(({ mark }) => epochOfMark(mark) === epoch)
      this.#end(connections, carrying)
      // Also where the kernel cannot end sockets: with the value, the entries would be let through from now on.
      connections.forget(carrying)
      return epoch
    })
  }

  /**
   * Settles what can be settled now, and says how many connections of other epochs are left. At the start of an epoch those are asked
   * about, too, whose entries are gone.
   */
  settle(current: number, isStart = false): number {
    return this.#with(connections => {
      const listed = connections.list()
      if (isStart) this.#endWithoutEntry(connections, listed)
      const others = listed.filter(({ mark }) => epochOfMark(mark) !== current)
      if (others.length === 0) return 0
      const sockets = connections.sockets()
      const known = new Set(sockets.map(({ key }) => key))
      const outcomes = others.map(each => [each, this.#judge(each, known)] as const)
      const of = (wanted: Outcome) =>
        outcomes.filter(([, outcome]) => outcome === wanted).map(([each]) => each)
      const allowed = of('allowed')
      for (const epoch of new Set(allowed.map(({ mark }) => epochOfMark(mark)))) {
        const these = allowed.filter(({ mark }) => epochOfMark(mark) === epoch)
        connections.flip(these, epochDifference(epoch, current))
      }
      this.#end(connections, of('revoked'), sockets)
      return of('unknown').length
    })
  }

  /** Ends the connections with known peers that are not allowed where the trireme networks are now. */
  judgeKnown(current: number): void {
    this.#with(connections => {
      const { live } = this.#path
      const revoked = connections.list().filter(({ asClient, asServer, mark }) => {
        const state = stateOfMark(mark)
        if (epochOfMark(mark) !== current || state === 'acl') return false
        const flows = [live.find('client', asClient, state), live.find('server', asServer, state)]
        return flows.some(flow => flow && this.#judgeFlow(flow) === 'revoked')
      })
      this.#end(connections, revoked)
    })
  }

  /**
   * Ends and forgets all connections with one of the addresses, each the text of 16 bytes, at an end: they are another PU's from now
   * on, which must not have what was decided for the last one.
   */
  forgetAddresses(addresses: ReadonlySet<string>): void {
    if (addresses.size === 0) return
    const isTheirs = (key: string) => hasAddress(key, addresses)
    this.#with(connections => {
      const theirs = connections
        .list()
        .filter(({ asClient, asServer }) => isTheirs(asClient) || isTheirs(asServer))
      this.#end(connections, theirs)
      // Also where the kernel cannot end sockets.
      connections.forget(theirs)
    })
    this.#path.live.removeWhere(({ key }) => isTheirs(key))
  }

  /** Forgets the live flows of which the kernel has neither entry nor socket. */
  prune(): void {
    const { live, now } = this.#path
    const oldest = now() - YOUNG_MS
    this.#with(connections => {
      const old = this.#withoutEntry(connections.list()).filter(flow => flow.addedAtMs < oldest)
      if (old.length === 0) return
      const sockets = new Set(connections.sockets().map(({ key }) => key))
      const gone = new Set(old.filter(flow => !sockets.has(socketOf(flow))))
      live.removeWhere(flow => gone.has(flow))
    })
  }

  #withoutEntry(listed: readonly Connection[]): readonly LiveFlow[] {
    const clients = new Set(listed.map(({ asClient }) => asClient))
    const servers = new Set(listed.map(({ asServer }) => asServer))
    const isGone = ({ role, key }: LiveFlow) => !(role === 'client' ? clients : servers).has(key)
    return [...this.#path.live.values()].filter(isGone)
  }

  /** A connection goes on without its entry (see `decideMidStream`), and may end without it. */
  #endWithoutEntry(connections: Connections, listed: readonly Connection[]): void {
    const revoked = new Set(this.#withoutEntry(listed).filter(flow => this.#judgeFlow(flow) === 'revoked'))
    if (revoked.size === 0) return
    const keys = new Set([...revoked].map(socketOf))
    connections.end(connections.sockets().filter(({ key }) => keys.has(key)))
    this.#path.live.removeWhere(flow => revoked.has(flow))
  }

  #judge(connection: Connection, sockets: ReadonlySet<string>): Outcome {
    // What is not TCP the rules decide again by themselves, packet by packet.
    if (connection.protocol !== IPPROTO_TCP) return 'unknown'
    const { live } = this.#path
    const { asClient, asServer, mark } = connection
    const state = stateOfMark(mark)
    if (state !== 'acl') {
      const flows = [live.find('client', asClient, state), live.find('server', asServer, state)]
      return worst(flows.map(flow => (flow ? this.#judgeFlow(flow) : undefined)))
    }
    const client = { role: 'client', key: asClient } as const
    const server = { role: 'server', key: asServer } as const
    return worst([
      sockets.has(asClient) ? this.#judgeAddresses(client, epochOfMark(mark)) : undefined,
      sockets.has(reverse(asServer)) ? this.#judgeAddresses(server, epochOfMark(mark)) : undefined,
    ])
  }

  #judgeFlow(flow: LiveFlow): Outcome {
    const { contextID, peer, role, key } = flow
    const decision = judgeLiveFlow(this.#path, flow)
    const pu = this.#path.pus.byContext(contextID)
    if (!decision || !pu) return 'unknown'
    if (decision.verdict === 'accept') return 'allowed'
    this.#path.reporter.report({ pu, peer: peer && { claims: peer }, decision, role, key })
    return 'revoked'
  }

  /** The end of a connection between addresses: its PU's, where that is known, else of any that may have let it through. */
  #judgeAddresses(end: Pick<LiveFlow, 'role' | 'key'>, epoch: number): Outcome {
    const flow = this.#path.live.find(end.role, end.key, 'acl')
    if (flow) return this.#judgeFlow(flow)
    const before = this.#addressRules.get(epoch) ?? []
    const suspects = before.filter(pu => decideByAddress(pu, end).verdict === 'accept')
    const all = this.#path.pus.all()
    const now = all.filter(pu => suspects.length === 0 || suspects.some(isSame(pu)))
    if (now.length === 0) return 'unknown'
    return now.every(pu => decideByAddress(pu, end).verdict === 'accept') ? 'allowed' : 'revoked'
  }

  #end(
    connections: Connections,
    revoked: readonly Connection[],
    sockets: readonly ListedSocket[] = connections.sockets(),
  ): void {
    if (revoked.length === 0) return
    const keys = new Set(revoked.flatMap(({ asClient, asServer }) => [asClient, reverse(asServer)]))
    // Where the kernel cannot end sockets, the entries stay in their epoch, and the next packet of either end is answered with a reset.
    if (connections.end(sockets.filter(({ key }) => keys.has(key)))) connections.forget(revoked)
  }

  #with<T>(use: (connections: Connections) => T): T {
    const connections = this.#open()
    try {
      return use(connections)
    } finally {
      connections.close()
    }
  }
}

/** `unknown`: its PU is not enforced yet. */
type Outcome = 'allowed' | 'revoked' | 'unknown'

/** What is the rule for one end is the rule for both; of an end that nobody knows there is nothing to protect. */
function worst(outcomes: readonly (Outcome | undefined)[]): Outcome {
  const known = outcomes.filter(outcome => outcome !== undefined)
  if (known.length === 0 || known.includes('revoked')) return 'revoked'
  return known.includes('unknown') ? 'unknown' : 'allowed'
}

function isSame(pu: PUContext): (other: PUContext) => boolean {
  return other => other.contextID === pu.contextID
}

/** The flow key of the packets that leave the PU's socket. */
function socketOf({ role, key }: Pick<LiveFlow, 'role' | 'key'>): string {
  return role === 'client' ? key : reverse(key)
}

/** The flow key of the packets that travel the other way. */
function reverse(key: string): string {
  return key.slice(18) + key.slice(0, 18)
}
