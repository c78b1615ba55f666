import { checkPolicy } from './check-policy.js'
import { type Clock, systemClock } from './clock.js'
import { withClosedPorts } from './closed-ports.js'
import { collectors, noCollector } from './collector.js'
import { runAll, TriremeError } from './errors.js'
import type { PURecord } from './flow.js'
import { KeyedQueue } from './keyed-queue.js'
import { compileNetworks } from './network-trie.js'
import type {
  EventCollector,
  Isolator,
  Isolators,
  Lifecycle,
  PolicyResolver,
  PolicyUpdater,
  ProcessingUnitsHandler,
  PUInfo,
  SecretSuite,
  Supervisor,
} from './plugin.js'
import type { PUPolicy } from './policy.js'
import type { PUEvent, PUKind, PURuntime } from './pu.js'
import type { Tags } from './tags.js'
import { type ActivePU, activate, deactivate } from './trireme-active-pu.js'
import { distinctParts, startInOrder } from './trireme-parts.js'

export interface TriremeOptions {
  /** The node's name: the issuer of its PUs' identities. Not empty. */
  readonly serverID: string
  readonly resolver: PolicyResolver
  /** One pair per PU kind; kinds may share enforcers and supervisors. */
  readonly isolators: Isolators
  /** Default: nobody listens. */
  readonly collector?: EventCollector
  readonly clock?: Clock
}

/**
 * Turns the events of PUs into enforcement. Everything that concerns one PU happens one after another, in the order of the
 * calls; PUs do not wait for each other. Nothing is retried.
 *
 * - `start`: resolve, enforce, supervise. Rejects with the first error (`AggregateError` where cleaning up failed too) after a
 *   `forcestop` record. Nothing is left behind, or, where the PU ran already, what was in force still is.
 * - `stop`: takes enforcement down. Where that fails it rejects, and another `stop` tries again.
 * - `destroy`: forgets the PU; one that was never stopped is taken down first.
 * - `create`, `pause`, `unpause`: change nothing.
 *
 * The resolver hears of each event before it takes effect. It may call `updatePolicy` from there, but must not wait for it: the
 * update waits for the event.
 */
export interface Trireme extends Lifecycle, ProcessingUnitsHandler, PolicyUpdater, AsyncDisposable {
  readonly serverID: string
  /**
   * Starts enforcers, then supervisors. One that fails stops what it began.
   * @throws TriremeError `ERR_ALREADY_STARTED`.
   */
  start(): Promise<void>
  /**
   * Waits for events under way, then stops supervisors, then enforcers. Afterwards no PU counts as running: after another
   * `start` the monitors report them again.
   */
  stop(): Promise<void>
  /** @throws TriremeError `ERR_PU_UNKNOWN`, `ERR_NOT_STARTED`, `ERR_POLICY`; the old policy stays in force. */
  updatePolicy(contextID: string, policy: PUPolicy): Promise<void>
  /**
   * Has every enforcer replace what identities are proved with, as `Enforcer.updateSecrets` says: each as a whole or not at all.
   * Where one rejects, the others have changed, and another call mends it.
   * @throws TriremeError `ERR_UNSUPPORTED_KIND` and changes nothing where an enforcer cannot.
   */
  updateSecrets(suites: readonly SecretSuite[]): Promise<void>
  /**
   * Sets for all PUs in which networks peers are expected to carry an identity. Where a part rejects, the others have changed, and
   * another call mends it.
   * @throws TriremeError `ERR_CONFIG` for a text that is no CIDR, and changes nothing.
   */
  setTargetNetworks(networks: readonly string[]): Promise<void>
  /** What a monitor last said of the PU. @throws TriremeError `ERR_PU_UNKNOWN`. */
  puRuntime(contextID: string): PURuntime
  /** Undefined for a kind that is not isolated here. */
  supervisor(kind: PUKind): Supervisor | undefined
  /** The running PUs with the policies in force, those that allow all among them. */
  puInfos(): readonly PUInfo[]
  /** Has every supervisor drop what no reported PU needs: once all monitors have reported, after the events they sent. */
  reconcile(): Promise<void>
}

/**
 * Makes, does not start.
 * @throws TriremeError `ERR_CONFIG` for an empty `serverID`.
 */
export function newTrireme(options: TriremeOptions): Trireme {
  return new Orchestrator(options)
}

/** What was said of a PU, at one time: a later `setPURuntime` makes another. */
interface KnownPU {
  readonly runtime: PURuntime
}

class Orchestrator implements Trireme {
  readonly serverID: string
  readonly #resolver: PolicyResolver
  readonly #isolators: Isolators
  readonly #collector: EventCollector
  readonly #clock: Clock
  readonly #known = new Map<string, KnownPU>()
  readonly #running = new Map<string, ActivePU>()
  readonly #queue = new KeyedQueue()
  readonly #lifecycle = new KeyedQueue()
  /** A `stop` that fails stays `stopping` until another succeeds. */
  #phase: 'stopped' | 'started' | 'stopping' = 'stopped'

  constructor(options: TriremeOptions) {
    if (options.serverID === '') {
      throw new TriremeError('ERR_CONFIG', 'serverID "": expected a name that is not empty')
    }
    this.serverID = options.serverID
    this.#resolver = options.resolver
    this.#isolators = options.isolators
    this.#collector = collectors(options.collector ?? noCollector)
    this.#clock = options.clock ?? systemClock
  }

  start(): Promise<void> {
    return this.#lifecycle.run('', async () => {
      if (this.#phase !== 'stopped') {
        throw new TriremeError('ERR_ALREADY_STARTED', `trireme is ${this.#phase}: expected a stop before`)
      }
      const { enforcers, supervisors } = distinctParts(this.#isolators)
      await startInOrder([...enforcers, ...supervisors])
      this.#phase = 'started'
    })
  }

  stop(): Promise<void> {
    return this.#lifecycle.run('', async () => {
      if (this.#phase === 'stopped') return
      this.#phase = 'stopping'
      while (this.#queue.size > 0) await this.#queue.settled()
      this.#running.clear()
      const { enforcers, supervisors } = distinctParts(this.#isolators)
      await runAll([...enforcers, ...supervisors].reverse().map(part => () => part.stop()))
      this.#phase = 'stopped'
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  setPURuntime(contextID: string, runtime: PURuntime): void {
    this.#known.set(contextID, { runtime })
  }

  handlePUEvent(contextID: string, event: PUEvent): Promise<void> {
    const known = this.#known.get(contextID)
    return this.#queue.run(contextID, () => {
      if (event === 'start') return this.#startPU(contextID, known)
      if (event === 'stop' || event === 'destroy') return this.#endPU(contextID, event, known)
      return this.#notePU(contextID, event)
    })
  }

  updatePolicy(contextID: string, policy: PUPolicy): Promise<void> {
    return this.#queue.run(contextID, async () => {
      this.#requireStarted()
      const previous = this.#running.get(contextID)
      const tags = this.#tags(contextID)
      let pu: PUInfo
      try {
        if (previous === undefined) throw unknownPU(contextID, 'a running PU')
        checkPolicy(policy)
        pu = { ...previous.pu, policy }
        await this.#activate(previous.isolator, pu)
      } catch (error) {
        const event = previous === undefined ? 'unknown' : 'update'
        this.#record({ contextID, event, tags }, error)
        throw error
      }
      this.#recordPolicy('update', pu)
    })
  }

  async updateSecrets(suites: readonly SecretSuite[]): Promise<void> {
    const { enforcers } = distinctParts(this.#isolators)
    if (enforcers.some(enforcer => enforcer.updateSecrets === undefined)) {
      throw new TriremeError(
        'ERR_UNSUPPORTED_KIND',
        'updateSecrets: expected enforcers that all have this method',
      )
    }
    await runAll(enforcers.map(enforcer => () => enforcer.updateSecrets?.(suites)))
  }

  async setTargetNetworks(networks: readonly string[]): Promise<void> {
    compileNetworks(networks)
    this.#requireStarted()
    const { enforcers, supervisors } = distinctParts(this.#isolators)
    await runAll([...enforcers, ...supervisors].map(part => () => part.setTargetNetworks(networks)))
  }

  puRuntime(contextID: string): PURuntime {
    const known = this.#known.get(contextID)
    if (known === undefined) throw unknownPU(contextID, 'a PU that a monitor reported')
    return known.runtime
  }

  supervisor(kind: PUKind): Supervisor | undefined {
    return this.#isolators[kind]?.supervisor
  }

  puInfos(): readonly PUInfo[] {
    return Array.from(this.#running.values(), ({ pu }) => pu)
  }

  async reconcile(): Promise<void> {
    this.#requireStarted()
    await this.#queue.settled()
    const { supervisors } = distinctParts(this.#isolators)
    await runAll(supervisors.map(supervisor => () => supervisor.reconcile()))
  }

  async #startPU(contextID: string, known: KnownPU | undefined): Promise<void> {
    let pu: PUInfo
    try {
      await this.#resolver.handlePUEvent(contextID, 'start')
      if (known === undefined) throw unknownPU(contextID, 'setPURuntime before its start')
      this.#requireStarted()
      const isolator = this.#isolatorOf(known.runtime.kind)
      pu = { contextID, runtime: known.runtime, policy: await this.#resolve(contextID, known.runtime) }
      await this.#activate(isolator, pu)
    } catch (error) {
      const event = known === undefined ? 'unknown' : 'forcestop'
      this.#record({ contextID, event, tags: this.#tags(contextID) }, error)
      throw error
    }
    this.#recordPolicy('start', pu)
  }

  /** Whatever fails on the way, the rest is attempted. */
  async #endPU(contextID: string, event: 'stop' | 'destroy', known: KnownPU | undefined): Promise<void> {
    const tags = this.#tags(contextID)
    const isUnknown = event === 'stop' && known === undefined
    try {
      await runAll([
        () => this.#resolver.handlePUEvent(contextID, event),
        () => {
          if (isUnknown) throw unknownPU(contextID, 'a PU that a monitor reported')
        },
        () => this.#deactivate(contextID),
      ])
    } catch (error) {
      this.#record({ contextID, event: isUnknown ? 'unknown' : event, tags }, error)
      throw error
    } finally {
      if (event === 'destroy') this.#forget(contextID, known)
    }
    this.#record({ contextID, event, tags })
  }

  async #notePU(contextID: string, event: PUEvent): Promise<void> {
    const tags = this.#tags(contextID)
    try {
      await this.#resolver.handlePUEvent(contextID, event)
    } catch (error) {
      this.#record({ contextID, event, tags }, error)
      throw error
    }
    this.#record({ contextID, event, tags })
  }

  async #resolve(contextID: string, runtime: PURuntime): Promise<PUPolicy> {
    const policy: PUPolicy | undefined = await this.#resolver.resolvePolicy(contextID, runtime)
    if (policy === undefined || policy === null) {
      throw new TriremeError('ERR_NO_POLICY', `PU ${contextID}: the resolver answered ${policy}`)
    }
    checkPolicy(policy)
    return policy
  }

  async #activate(isolator: Isolator, pu: PUInfo): Promise<void> {
    const { contextID } = pu
    const policy = withClosedPorts(pu.policy, pu.runtime.closedPorts)
    const previous = this.#running.get(contextID)
    this.#running.set(contextID, await activate(isolator, { ...pu, policy }, previous))
  }

  async #deactivate(contextID: string): Promise<void> {
    const active = this.#running.get(contextID)
    if (active === undefined) return
    await deactivate(active)
    this.#running.delete(contextID)
  }

  /** Unless it still runs, or a monitor has reported it anew since it was destroyed. */
  #forget(contextID: string, known: KnownPU | undefined): void {
    if (this.#running.has(contextID) || this.#known.get(contextID) !== known) return
    this.#known.delete(contextID)
  }

  #isolatorOf(kind: PUKind): Isolator {
    const isolator = this.#isolators[kind]
    if (isolator !== undefined) return isolator
    const kinds = Object.keys(this.#isolators).join(', ') || 'none'
    throw new TriremeError(
      'ERR_UNSUPPORTED_KIND',
      `PU kind ${kind}: expected one of those isolated: ${kinds}`,
    )
  }

  #requireStarted(): void {
    if (this.#phase === 'started') return
    throw new TriremeError('ERR_NOT_STARTED', `trireme is ${this.#phase}: expected a start before`)
  }

  /** What records show of the PU as it is now. */
  #tags(contextID: string): Tags {
    const policy = this.#running.get(contextID)?.pu.policy
    return policy?.annotations ?? this.#known.get(contextID)?.runtime.tags ?? []
  }

  /** A policy has come into force. */
  #recordPolicy(event: 'start' | 'update', { contextID, policy }: PUInfo): void {
    const warnings = this.#running.get(contextID)?.enforcement?.warnings ?? []
    this.#record({
      contextID,
      event: policy.action === 'allow-all' ? 'ignore' : event,
      tags: policy.annotations,
      ...(warnings.length > 0 && { warnings }),
    })
  }

  #record(record: Omit<PURecord, 'time' | 'reason'>, error?: unknown): void {
    const time = new Date(this.#clock.now()).toISOString()
    const reason = error instanceof Error ? error.message : String(error)
    this.#collector.collectPUEvent({ ...record, time, ...(error !== undefined && { reason }) })
  }
}

function unknownPU(contextID: string, expected: string): TriremeError {
  return new TriremeError('ERR_PU_UNKNOWN', `PU ${contextID}: expected ${expected}`)
}
