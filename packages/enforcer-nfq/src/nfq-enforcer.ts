import { randomInt } from 'node:crypto'
import {
  type Enforcement,
  type Enforcer,
  type EventCollector,
  type Factory,
  type FilterQueue,
  Handshake,
  KEY_COUNT,
  type PUInfo,
  QUEUE_BLOCK_COUNT,
  QUEUE_BLOCK_SIZE,
  type Secrets,
  type TokenEngine,
  TriremeError,
} from '@trireme/core'
import { Counters } from './datapath/counters.js'
import { PUContext } from './datapath/pu-context.js'
import { Reporter } from './datapath/reporter.js'
import { NamespaceDatapath } from './namespace-datapath.js'
import type { PacketQueue, PacketQueueOptions } from './queue.js'

const RENEWAL_CHECK_MS = 5000
const SWEEP_MS = 5000

export interface NfqEnforcerOptions {
  /** `mutual` (default): the client's transmitter rules decide over servers, too. */
  readonly authorization?: 'mutual' | 'receiver'
  /**
   * Differs from the previous start's: each start reads queues of other numbers, so that rules which an earlier process
   * left behind point at nobody, and drop. Default 0.
   */
  readonly generation?: number
  /** The epoch of connections that are decided now, 0 to 15. Default 0. */
  readonly epoch?: number
  /** Hears what went wrong beside the packets; as often as it does. */
  readonly onError?: (error: unknown) => void
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** Opens the packet queue; the kernel's by default. */
  readonly openQueue?: (options: PacketQueueOptions) => PacketQueue
}

export interface NfqEnforcerComponents {
  readonly serverID: string
  readonly tokenEngine: TokenEngine
  readonly secrets: Secrets
  readonly collector: EventCollector
}

/** Counters of what the enforcer did beyond single PUs. */
export interface NfqEnforcerStats {
  /** Signatures that were checked: records that were not remembered. */
  readonly coldVerifications: number
  /** Diffie-Hellman computations: pairs of records that were not remembered. */
  readonly coldKeys: number
  readonly counters: Readonly<Record<string, number>>
  readonly queue: Readonly<Record<string, number>>
}

export interface NfqEnforcer extends Enforcer {
  stats(): NfqEnforcerStats
}

/** Decides on packets from NFQUEUE. */
export function nfqEnforcer(options: NfqEnforcerOptions = {}): Factory<NfqEnforcerComponents, NfqEnforcer> {
  return components => new Enforcing(options, components)
}

interface Enforced {
  readonly queueNumber: number
}

class Enforcing implements NfqEnforcer {
  readonly #options: NfqEnforcerOptions
  readonly #now: () => number
  readonly #onError: (error: unknown) => void
  readonly #handshake: Handshake
  readonly #secrets: Secrets
  readonly #reporter: Reporter
  readonly #enforced = new Map<string, Enforced>()
  readonly #timers: NodeJS.Timeout[] = []
  #filterQueue: FilterQueue | undefined
  #datapath: NamespaceDatapath | undefined
  #stopListening: (() => void) | undefined

  constructor(options: NfqEnforcerOptions, components: NfqEnforcerComponents) {
    const { serverID, tokenEngine, secrets, collector } = components
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#onError = options.onError ?? (() => {})
    this.#secrets = secrets
    this.#reporter = new Reporter(collector, this.#now)
    this.#handshake = new Handshake({
      serverID,
      engine: tokenEngine,
      secrets,
      now: this.#now,
      onError: (_contextID, error) => this.#onError(error),
    })
  }

  async start(): Promise<void> {
    if (this.#datapath) return
    const { authorization = 'mutual', generation = 0, epoch = 0, openQueue } = this.#options
    const flowQueue = QUEUE_BLOCK_SIZE * (1 + (generation % QUEUE_BLOCK_COUNT))
    const filterQueue = { flowQueue, commands: { key: randomInt(1, KEY_COUNT), epoch } }
    this.#datapath = new NamespaceDatapath({
      handshake: this.#handshake,
      authorization,
      reporter: this.#reporter,
      filterQueue,
      now: this.#now,
      onError: this.#onError,
      ...(openQueue ? { openQueue } : {}),
    })
    this.#filterQueue = filterQueue
    this.#stopListening = this.#secrets.onChange(() => void this.#handshake.secretsChanged())
    this.#every(RENEWAL_CHECK_MS, () => void this.#handshake.issuer.renew())
    this.#every(SWEEP_MS, () => this.#datapath?.sweep())
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
    this.#stopListening?.()
    this.#datapath?.close()
    for (const contextID of this.#enforced.keys()) this.#handshake.issuer.remove(contextID)
    this.#enforced.clear()
    this.#datapath = undefined
    this.#filterQueue = undefined
  }

  filterQueue(): FilterQueue {
    if (!this.#filterQueue)
      throw new TriremeError('ERR_NOT_STARTED', 'filterQueue: the enforcer is not started')
    return this.#filterQueue
  }

  async enforce(pu: PUInfo): Promise<Enforcement> {
    const datapath = this.#started()
    const { contextID } = pu
    const context = new PUContext(pu, datapath.pu(contextID)?.counters ?? new Counters())
    await this.#handshake.issuer.add(contextID, { puID: context.id, tags: pu.policy.identity })
    const queueNumber = this.#enforced.get(contextID)?.queueNumber ?? this.#freeQueue()
    try {
      datapath.setPU(queueNumber, context)
    } catch (error) {
      if (!this.#enforced.has(contextID)) this.#handshake.issuer.remove(contextID)
      throw error
    }
    this.#enforced.set(contextID, { queueNumber })
    return { queueNumber }
  }

  async unenforce(contextID: string): Promise<void> {
    const enforced = this.#enforced.get(contextID)
    if (!enforced) return
    this.#enforced.delete(contextID)
    this.#handshake.issuer.remove(contextID)
    this.#datapath?.removePU(enforced.queueNumber, contextID)
  }

  counters(contextID: string): Readonly<Record<string, number>> {
    return this.#datapath?.pu(contextID)?.counters.snapshot() ?? {}
  }

  stats(): NfqEnforcerStats {
    const { coldKeys, verifier } = this.#handshake
    const counters = this.#datapath?.counters.snapshot() ?? {}
    return {
      coldKeys,
      coldVerifications: verifier.coldVerifications,
      counters,
      queue: this.#datapath?.stats() ?? {},
    }
  }

  #started(): NamespaceDatapath {
    if (!this.#datapath) throw new TriremeError('ERR_NOT_STARTED', 'enforce: the enforcer is not started')
    return this.#datapath
  }

  #freeQueue(): number {
    const taken = new Set([...this.#enforced.values()].map(enforced => enforced.queueNumber))
    const first = this.filterQueue().flowQueue + 1
    for (let number = first; number < first + QUEUE_BLOCK_SIZE - 1; number++)
      if (!taken.has(number)) return number
    throw new TriremeError('ERR_POLICY', `enforce: at most ${QUEUE_BLOCK_SIZE - 1} PUs per network namespace`)
  }

  #every(ms: number, task: () => void): void {
    this.#timers.push(setInterval(task, ms).unref())
  }
}
