import { isDeepStrictEqual } from 'node:util'
import { assertText, assertWord } from './check-arguments.js'
import { checkPolicy } from './check-policy.js'
import { checkRuntime, checkTriremeOptions, PU_EVENTS } from './check-trireme-options.js'
import { type Clock, systemClock } from './clock.js'
import { withClosedPorts } from './closed-ports.js'
import { collectors, noCollector } from './collector.js'
import { runAll, TriremeError } from './errors.js'
import type { PURecord } from './flow.js'
import { KeyedQueue } from './keyed-queue.js'
import { NameServerWatch } from './name-server-watch.js'
import { readNameServers } from './name-servers.js'
import { compileNetworks } from './network-trie.js'
import type {
  EventCollector,
  Isolator,
  Isolators,
  PolicyResolver,
  PUInfo,
  SecretSuite,
  Supervisor,
} from './plugin.js'
import type { PUPolicy } from './policy.js'
import type { PUEvent, PUKind, PURuntime } from './pu.js'
import type { Tags } from './tags.js'
import { type ActivePU, activate, deactivate } from './trireme-active-pu.js'
import type { Trireme, TriremeOptions } from './trireme-contract.js'
import { distinctParts, startInOrder } from './trireme-parts.js'
import { withDNS } from './with-dns.js'

/**
 * Makes, does not start.
 * @throws TypeError for an option that is missing or is not what its type says, TriremeError `ERR_CONFIG` for an empty `serverID`.
 */
export function newTrireme(options: TriremeOptions): Trireme {
  checkTriremeOptions(options)
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
  /** As they were resolved: what follows from the PU itself is added at its activation. */
  readonly #policies = new Map<string, PUPolicy>()
  readonly #nameServers: NameServerWatch
  readonly #queue = new KeyedQueue()
  readonly #lifecycle = new KeyedQueue()
  /** A `stop` that fails stays `stopping` until another succeeds. */
  #phase: 'stopped' | 'started' | 'stopping' = 'stopped'

  constructor(options: TriremeOptions) {
    this.serverID = options.serverID
    this.#resolver = options.resolver
    this.#isolators = options.isolators
    this.#collector = collectors(options.collector ?? noCollector)
    this.#clock = options.clock ?? systemClock
    const { nameServersOf = readNameServers } = options
    this.#nameServers = new NameServerWatch(this.#clock, nameServersOf, contextID => {
      const policy = this.#policies.get(contextID)
      // Where it fails, the PU's record says so, and the next look tries again.
      if (policy) this.updatePolicy(contextID, policy).catch(() => {})
    })
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
      this.#nameServers.stop()
      this.#running.clear()
      this.#policies.clear()
      const { enforcers, supervisors } = distinctParts(this.#isolators)
      await runAll([...enforcers, ...supervisors].reverse().map(part => () => part.stop()))
      this.#phase = 'stopped'
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  setPURuntime(contextID: string, runtime: PURuntime): void {
    assertText('contextID', contextID)
    checkRuntime(runtime)
    this.#known.set(contextID, { runtime })
  }

  async handlePUEvent(contextID: string, event: PUEvent): Promise<void> {
    assertText('contextID', contextID)
    assertWord('event', event, PU_EVENTS)
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

  async refreshPolicies(): Promise<readonly string[]> {
    this.#requireStarted()
    const contextIDs = [...this.#known.keys()]
    const refreshed = await Promise.allSettled(
      contextIDs.map(contextID => this.#queue.run(contextID, () => this.#refresh(contextID))),
    )
    await runAll(
      refreshed.map(
        outcome => () => (outcome.status === 'rejected' ? Promise.reject(outcome.reason) : undefined),
      ),
    )
    return contextIDs.filter((_, index) => {
      const outcome = refreshed[index]
      return outcome?.status === 'fulfilled' && outcome.value
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

  /** Whether the PU runs, and its policy is another now. */
  async #refresh(contextID: string): Promise<boolean> {
    const active = this.#running.get(contextID)
    if (active === undefined) return false
    const { isolator, pu } = active
    try {
      const policy = await this.#resolve(contextID, pu.runtime)
      if (isDeepStrictEqual(policy, this.#policies.get(contextID))) return false
      await this.#activate(isolator, { ...pu, policy })
    } catch (error) {
      this.#record({ contextID, event: 'update', tags: this.#tags(contextID) }, error)
      throw error
    }
    this.#recordPolicy('update', this.#running.get(contextID)?.pu ?? pu)
    return true
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
    const isAllowed = pu.policy.dns === 'allow'
    const servers = isAllowed ? this.#nameServers.watch(contextID, pu.runtime) : []
    const policy = withDNS(withClosedPorts(pu.policy, pu.runtime.closedPorts), servers)
    const previous = this.#running.get(contextID)
    this.#running.set(contextID, await activate(isolator, { ...pu, policy }, previous))
    this.#policies.set(contextID, pu.policy)
    if (!isAllowed) this.#nameServers.unwatch(contextID)
  }

  async #deactivate(contextID: string): Promise<void> {
    const active = this.#running.get(contextID)
    if (active === undefined) return
    await deactivate(active)
    this.#running.delete(contextID)
    this.#policies.delete(contextID)
    this.#nameServers.unwatch(contextID)
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
    const { enforcement } = this.#running.get(contextID) ?? {}
    const warnings = [...(policy.warnings ?? []), ...(enforcement?.warnings ?? [])]
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
