import { randomInt } from 'node:crypto'
import {
  assertMethods,
  assertText,
  type Enforcement,
  type Factory,
  type FilterQueue,
  HandshakeSet,
  KEY_COUNT,
  type Networks,
  type PacketProcessor,
  type PUInfo,
  prefixWarnings,
  QUEUE_BLOCK_COUNT,
  QUEUE_BLOCK_SIZE,
  type RepeatedRefusal,
  readNameServers,
  type SecretSuite,
  TriremeError,
} from '@trireme/core'
import { Adoption, socketNamespaceOf, socketsOf } from './adoption.js'
import { Counters } from './datapath/counters.js'
import { PUContext } from './datapath/pu-context.js'
import { Reporter } from './datapath/reporter.js'
import { inMemoryFlowJournal } from './flow-journal.js'
import { FlowMemory } from './flow-memory.js'
import { type KernelQueue, kernelQueue, readKernelQueues } from './kernel-queues.js'
import { LiveNetworks } from './live-networks.js'
import { moveAddresses, NO_ADDRESSES } from './move-addresses.js'
import { NamespaceDatapath } from './namespace-datapath.js'
import { takesConnectionMarks } from './netlink/connection-mark-probe.js'
import { readConnectedSockets } from './netlink/sock-diag.js'
import type {
  NfqEnforcer,
  NfqEnforcerComponents,
  NfqEnforcerOptions,
  NfqEnforcerStats,
} from './nfq-enforcer-options.js'
import { closesOpenPort, policyDigest } from './policy-digest.js'
import { resolverWarnings } from './resolver-warnings.js'

const RENEWAL_CHECK_MS = 5000
const SWEEP_MS = 5000
const JOURNAL_MS = 1000
const OWN_NAMESPACE = ''
/** What a PU behind interfaces says of its own sockets is believed for so long: it may be able to make them up. */
const ADOPT_BEHIND_MS = 60_000

/** Decides on packets from NFQUEUE. */
export function nfqEnforcer(options: NfqEnforcerOptions = {}): Factory<NfqEnforcerComponents, NfqEnforcer> {
  return components => {
    assertText('serverID', components?.serverID)
    assertMethods('tokenEngine', components.tokenEngine, ['issue', 'verify'])
    assertMethods('secrets', components.secrets, ['signer', 'verifier'])
    assertMethods('collector', components.collector, ['collectFlowEvent', 'collectPUEvent'])
    return new Enforcing(options, components)
  }
}

interface Enforced {
  readonly queueNumber: number
  /** How the journal calls the network namespace: by its PU, or empty for this process's own. */
  readonly namespace: string
  readonly datapath: NamespaceDatapath
}

class Enforcing implements NfqEnforcer {
  readonly #options: NfqEnforcerOptions
  readonly #now: () => number
  readonly #monotonicNow: () => number
  readonly #onError: (error: unknown) => void
  readonly #networks: Networks
  readonly #processor: PacketProcessor | undefined
  readonly #handshakes: HandshakeSet
  readonly #reporter: Reporter
  readonly #triremeNetworks: LiveNetworks
  readonly #enforced = new Map<string, Enforced>()
  readonly #timers: NodeJS.Timeout[] = []
  readonly #memory: FlowMemory
  #filterQueue: FilterQueue | undefined
  #takesConnectionMarks: boolean | undefined
  /** Of this process's own namespace. */
  #ownDatapath: NamespaceDatapath | undefined

  constructor(options: NfqEnforcerOptions, components: NfqEnforcerComponents) {
    const { serverID, tokenEngine, secrets, accepted = [], collector, networks } = components
    this.#options = options
    this.#processor = components.processor
    this.#networks = networks
    this.#now = options.now ?? Date.now
    this.#monotonicNow = options.monotonicNow ?? (() => performance.now())
    this.#onError = options.onError ?? (() => {})
    this.#triremeNetworks = new LiveNetworks(networks.trireme)
    this.#reporter = new Reporter(collector, this.#now, this.#monotonicNow)
    const onError = (_contextID: string, error: unknown) => this.#onError(error)
    this.#memory = new FlowMemory(options.journal ?? inMemoryFlowJournal(), this.#onError)
    const suites = [{ secrets, tokenEngine }, ...accepted]
    this.#handshakes = new HandshakeSet(suites, { serverID, now: this.#now, onError })
  }

  async start(): Promise<void> {
    if (this.#filterQueue) return
    const { generation = 0, epoch = 0, namespaces = 'own' } = this.#options
    const flowQueue = QUEUE_BLOCK_SIZE * (1 + (generation % QUEUE_BLOCK_COUNT))
    const filterQueue = { flowQueue, commands: { key: randomInt(1, KEY_COUNT), epoch } }
    await this.#memory.load()
    if (namespaces === 'own') this.#ownDatapath = this.#openDatapath(filterQueue, OWN_NAMESPACE, undefined)
    this.#filterQueue = filterQueue
    this.#handshakes.listen()
    this.#every(RENEWAL_CHECK_MS, () => void this.#handshakes.renew())
    this.#every(SWEEP_MS, () => this.#sweep())
    this.#every(JOURNAL_MS, () => void this.#flush())
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
    this.#handshakes.close()
    const flushed = this.#flush()
    for (const datapath of this.#datapaths()) datapath.close()
    for (const contextID of this.#enforced.keys()) this.#handshakes.remove(contextID)
    this.#enforced.clear()
    this.#ownDatapath = undefined
    this.#filterQueue = undefined
    await flushed
  }

  filterQueue(): FilterQueue {
    if (!this.#filterQueue)
      throw new TriremeError('ERR_NOT_STARTED', 'filterQueue: the enforcer is not started')
    const { flowQueue, commands } = this.#filterQueue
    return { flowQueue, commands: { ...commands, epoch: this.#ownDatapath?.epoch ?? commands.epoch } }
  }

  async enforce(pu: PUInfo): Promise<Enforcement> {
    const { contextID } = pu
    const counters = this.#enforced.get(contextID)?.datapath.pu(contextID)?.counters
    const context = new PUContext(pu, counters ?? new Counters())
    await this.#handshakes.add(contextID, { puID: context.id, tags: pu.policy.identity })
    try {
      // Looked up only now: while the record was signed, the enforcer may have been stopped.
      const known = this.#enforced.get(contextID)
      const enforced = known ?? this.#place(pu)
      this.#setPU(enforced, context)
      this.#enforced.set(contextID, enforced)
      const { queueNumber, datapath } = enforced
      return { queueNumber, epoch: datapath.epoch, ...adopting(enforced), ...this.#warnings(pu) }
    } catch (error) {
      if (!this.#enforced.has(contextID)) this.#handshakes.remove(contextID)
      throw error
    }
  }

  #warnings(pu: PUInfo): Pick<Enforcement, 'warnings'> {
    const { authorization = 'mutual', nameServersOf = readNameServers } = this.#options
    const warnings = [
      ...(this.#handshakes.shortensTags ? prefixWarnings(pu.policy, authorization) : []),
      ...resolverWarnings(pu, this.#networks, nameServersOf(pu.runtime)),
    ]
    return warnings.length > 0 ? { warnings } : {}
  }

  #setPU(enforced: Enforced, context: PUContext): void {
    const { datapath, queueNumber, namespace } = enforced
    const { contextID, ownAddresses = NO_ADDRESSES } = context
    const { adopt = 'keep', onPolicyChange = 'revoke' } = this.#options
    const isFirst = !this.#enforced.has(contextID)
    const digest = policyDigest(context.pu)
    const known = this.#memory.policy(contextID)
    const isNarrower = closesOpenPort(datapath.pu(contextID)?.pu.runtime, context.pu.runtime)
    const isOther = known !== undefined && (known !== digest || isNarrower)
    const mayRevoke = onPolicyChange === 'revoke' && isOther
    try {
      // What was in force in the time of an earlier process has let its connections in already: others it may have made up since.
      const isKnown = this.#memory.addresses(contextID) !== undefined
      const mayAdopt = isFirst && !isKnown && adopt === 'keep' && context.pu.runtime.isNew !== true
      moveAddresses({ memory: this.#memory, datapath, namespace, contextID, ownAddresses })
      const adoption = mayAdopt ? this.#snapshot(context.pu) : undefined
      datapath.setPU(queueNumber, context, mayRevoke)
      if (adoption) datapath.setAdoption(queueNumber, adoption)
      this.#memory.notePolicy(contextID, digest)
      this.#memory.noteAddresses(contextID, ownAddresses)
      if (mayRevoke) this.#memory.noteEpoch(namespace, datapath.epoch)
    } catch (error) {
      const isInUse = this.#datapaths().includes(datapath)
      if (!isInUse) datapath.close()
      throw error
    }
  }

  /** Connections that begin between this and the rules belong to no flow that these know. */
  #snapshot({ runtime }: PUInfo): Adoption {
    const { readSockets = readConnectedSockets } = this.#options
    const sockets = socketsOf(runtime, readSockets(socketNamespaceOf(runtime.isolation)))
    const untilMs = runtime.isolation.by === 'interfaces' ? this.#monotonicNow() + ADOPT_BEHIND_MS : Infinity
    return new Adoption(sockets, untilMs)
  }

  async unenforce(contextID: string): Promise<void> {
    const enforced = this.#enforced.get(contextID)
    if (!enforced) return
    this.#enforced.delete(contextID)
    this.#handshakes.remove(contextID)
    const { datapath, queueNumber } = enforced
    if (datapath === this.#ownDatapath) {
      datapath.removePU(queueNumber, contextID)
      this.#leaveAddresses(enforced, contextID)
    } else datapath.close()
    this.#memory.noteAddresses(contextID, undefined)
  }

  /** Where the kernel refuses, the next owner of the addresses tries again. */
  #leaveAddresses({ datapath, namespace }: Enforced, contextID: string): void {
    try {
      moveAddresses({ memory: this.#memory, datapath, namespace, contextID, ownAddresses: NO_ADDRESSES })
    } catch (error) {
      this.#onError(error)
    }
  }

  updateSecrets(suites: readonly SecretSuite[]): Promise<void> {
    return this.#handshakes.replace(suites)
  }

  async setTargetNetworks(networks: readonly string[]): Promise<void> {
    this.#triremeNetworks.replace(networks)
    if (this.#options.onPolicyChange === 'keep') return
    for (const datapath of this.#datapaths()) datapath.networksMoved()
  }

  repeatedRefusals(): readonly RepeatedRefusal[] {
    return this.#reporter.repeatedRefusals()
  }

  counters(contextID: string): Readonly<Record<string, number>> {
    return this.#enforced.get(contextID)?.datapath.pu(contextID)?.counters.snapshot() ?? {}
  }

  stats(): NfqEnforcerStats {
    const datapaths = this.#datapaths()
    const counters = sums(datapaths.map(datapath => datapath.counters.snapshot()))
    const queue = sums(datapaths.map(datapath => datapath.stats()))
    return { ...this.#handshakes.stats(), counters, queue }
  }

  kernelQueues(): ReadonlyMap<string, KernelQueue> {
    const own = this.#ownDatapath ? readKernelQueues(undefined, undefined) : undefined
    const flowQueue = this.#filterQueue?.flowQueue
    const queues = new Map<string, KernelQueue>()
    for (const [contextID, { datapath, queueNumber }] of this.#enforced) {
      const { isolation, pid } = datapath.pu(contextID)?.pu.runtime ?? {}
      const isAlone = isolation?.by === 'netns'
      const all = isAlone ? readKernelQueues(isolation.path, pid) : own
      const its = all?.filter(({ queue }) => queue === queueNumber || (isAlone && queue === flowQueue))
      if (its && its.length > 0) queues.set(contextID, kernelQueue(its))
    }
    return queues
  }

  takesConnectionMarks(): boolean {
    this.#takesConnectionMarks ??= takesConnectionMarks()
    return this.#takesConnectionMarks
  }

  sharedKernelQueue(): KernelQueue | undefined {
    const own = this.#ownDatapath ? readKernelQueues(undefined, undefined) : undefined
    const its = own?.filter(({ queue }) => queue === this.#filterQueue?.flowQueue) ?? []
    return its.length > 0 ? kernelQueue(its) : undefined
  }

  /** Where a new PU's packets are read: a number of its own in this namespace, or a namespace of its own. */
  #place({ contextID, runtime: { isolation } }: PUInfo): Enforced {
    const filterQueue = this.filterQueue()
    const isOwnNamespace = isolation.by !== 'netns'
    if (isOwnNamespace !== (this.#ownDatapath !== undefined)) {
      throw new TriremeError(
        'ERR_UNSUPPORTED_KIND',
        `PU ${contextID}: isolated by ${isolation.by}, but the enforcer serves namespaces: ${this.#options.namespaces ?? 'own'}`,
      )
    }
    if (this.#ownDatapath)
      return { datapath: this.#ownDatapath, queueNumber: this.#freeQueue(), namespace: OWN_NAMESPACE }
    const netns = isOwnNamespace ? undefined : isolation.path
    const datapath = this.#openDatapath(filterQueue, contextID, netns)
    return { datapath, queueNumber: filterQueue.flowQueue + 1, namespace: contextID }
  }

  #openDatapath(filterQueue: FilterQueue, namespace: string, netns: string | undefined): NamespaceDatapath {
    const { authorization = 'mutual', bind = 'strict', aliases = [] } = this.#options
    const { openQueue, openConnections, openSockets } = this.#options
    const { epoch = filterQueue.commands.epoch, liveFlows } = this.#memory.namespace(namespace)
    return new NamespaceDatapath({
      handshakes: this.#handshakes,
      authorization,
      bind,
      aliases,
      reporter: this.#reporter,
      filterQueue: { ...filterQueue, commands: { ...filterQueue.commands, epoch } },
      liveFlows,
      onLiveFlow: flow => this.#memory.noteFlow(namespace, flow),
      triremeNetworks: this.#triremeNetworks,
      now: this.#monotonicNow,
      onError: this.#onError,
      ...(this.#processor && { processor: this.#processor }),
      ...(openQueue && { openQueue }),
      ...(openConnections && { openConnections }),
      ...(openSockets && { openSockets }),
      ...(netns === undefined ? {} : { netns }),
    })
  }

  #datapaths(): readonly NamespaceDatapath[] {
    const own = this.#ownDatapath ? [this.#ownDatapath] : []
    return [...new Set([...own, ...[...this.#enforced.values()].map(enforced => enforced.datapath)])]
  }

  #sweep(): void {
    for (const datapath of this.#datapaths()) datapath.sweep()
  }

  #flush(): Promise<void> {
    return this.#memory.flush(() => {
      const enforced = [...this.#enforced]
      const policies = enforced.flatMap(([contextID]) => {
        const digest = this.#memory.policy(contextID)
        return digest === undefined ? [] : [[contextID, digest] as const]
      })
      const namespaces = enforced.map(([, { namespace, datapath }]) => {
        return [namespace, { epoch: datapath.epoch, liveFlows: datapath.liveFlows() }] as const
      })
      const addresses = enforced.map(([contextID]) => {
        return [contextID, this.#memory.addresses(contextID) ?? NO_ADDRESSES] as const
      })
      return {
        policies: new Map(policies),
        namespaces: new Map(namespaces),
        addresses: new Map(addresses),
      }
    })
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

function adopting({ datapath, queueNumber }: Enforced): Pick<Enforcement, 'adopts'> {
  return datapath.adoptable(queueNumber) > 0 ? { adopts: true } : {}
}

function sums(parts: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> {
  const total: Record<string, number> = {}
  for (const part of parts)
    for (const [name, count] of Object.entries(part)) total[name] = (total[name] ?? 0) + count
  return total
}
