import type {
  Enforcer,
  EventCollector,
  Networks,
  PacketProcessor,
  PURuntime,
  RepeatedRefusal,
  SecretSuite,
  Secrets,
  TokenEngine,
} from '@trireme/core'
import type { Connections, ConnectionsOptions } from './connections.js'
import type { Sockets } from './datapath/sockets.js'
import type { FlowJournal } from './flow-journal.js'
import type { KernelQueue } from './kernel-queues.js'
import type { KernelSocketsOptions } from './kernel-sockets.js'
import type { ConnectedSocket } from './netlink/sock-diag.js'
import type { PacketQueue, PacketQueueOptions } from './queue.js'

export interface NfqEnforcerOptions {
  /** `mutual` (default): the client's transmitter rules decide over servers, too. */
  readonly authorization?: 'mutual' | 'receiver'
  /**
   * Differs from the previous start's: each start reads queues of other numbers, so that rules which an earlier process
   * left behind point at nobody, and drop. Default 0.
   */
  readonly generation?: number
  /**
   * `own` (default): PUs of this process's network namespace. `per-pu`: each PU has a network namespace of its own, in which its
   * queue is read; this process's own is left alone.
   */
  readonly namespaces?: 'own' | 'per-pu'
  /**
   * What becomes of live connections that a changed policy no longer allows: `revoke` (default) ends them within a second, `keep`
   * lets them go on.
   */
  readonly onPolicyChange?: 'revoke' | 'keep'
  /** Outlives the process, so that live connections can be told apart after a restart. One per enforcer. Default: in memory. */
  readonly journal?: FlowJournal
  /** The epoch of connections that are decided first, 0 to 15, where the journal knows of none. Default 0. */
  readonly epoch?: number
  /**
   * What becomes of the TCP connections that a PU has when it is first enforced: `keep` (default) lets them go on, `reset` ends
   * them.
   */
  readonly adopt?: 'keep' | 'reset'
  /**
   * What becomes of connections whose client dialled an address that is neither the host's nor an alias of the PU: `strict` (default)
   * refuses them, `observe` reports them as observed and lets them in, `off` lets them in. With either of these, a host that a PU can
   * be made to dial may relay the PU's connection to this one and speak in its name.
   */
  readonly bind?: 'strict' | 'observe' | 'off'
  /**
   * Addresses by which others reach this host though no interface has them, as behind a router that translates its public address: PUs
   * may be dialled by them as by the host's own. Default none.
   */
  readonly aliases?: readonly string[]
  /** Hears what went wrong beside the packets; as often as it does. */
  readonly onError?: (error: unknown) => void
  /** Milliseconds since 1970: what records and certificates are judged by. */
  readonly now?: () => number
  /** Milliseconds that only grow, whatever becomes of the clock: what lifetimes and rates are measured by. */
  readonly monotonicNow?: () => number
  /** Opens the packet queue; the kernel's by default. */
  readonly openQueue?: (options: PacketQueueOptions) => PacketQueue
  /** Tells the connections of a network namespace; the kernel by default. */
  readonly readSockets?: (netns: string | undefined) => readonly ConnectedSocket[]
  /** Tells the addresses of a PU's name servers; by default its resolv.conf does. */
  readonly nameServersOf?: (runtime: PURuntime) => readonly string[]
  /** Opens the lists of connections and sockets; the kernel's by default. */
  readonly openConnections?: (options: ConnectionsOptions) => Connections
  /** Asks the kernel about single sockets; the kernel by default. */
  readonly openSockets?: (options: KernelSocketsOptions) => Sockets
}

export interface NfqEnforcerComponents {
  readonly serverID: string
  readonly tokenEngine: TokenEngine
  readonly secrets: Secrets
  /** What is accepted besides `secrets` with `tokenEngine`: while nodes migrate from one to the other. Default none. */
  readonly accepted?: readonly SecretSuite[]
  readonly collector: EventCollector
  readonly networks: Networks
  /** The user's own step before and after each decision. Default none. */
  readonly processor?: PacketProcessor
}

/** Counters of what the enforcer did beyond single PUs. */
export interface NfqEnforcerStats {
  /** Signatures that were checked: records that were not remembered. */
  readonly coldVerifications: number
  /** Diffie-Hellman computations: pairs of records that were not remembered. */
  readonly coldKeys: number
  /** Of packets that belong to no PU that is known. */
  readonly counters: Readonly<Record<string, number>>
  readonly queue: Readonly<Record<string, number>>
}

export interface NfqEnforcer extends Enforcer {
  updateSecrets(suites: readonly SecretSuite[]): Promise<void>
  stats(): NfqEnforcerStats
  repeatedRefusals(): readonly RepeatedRefusal[]
  /**
   * What the kernel says of the PUs' queues now, by context ID: of a PU with a network namespace of its own, of all in there. Left
   * out is a PU in a namespace in which its first process no longer runs.
   */
  kernelQueues(): ReadonlyMap<string, KernelQueue>
  /**
   * Whether the kernel would take connection marks with verdicts (NFQA_CT). For information: they are set by rules on every kernel.
   * @throws KernelError, EPERM for whoever may not ask.
   */
  takesConnectionMarks(): boolean
  /**
   * What the kernel says of the queue for packets of connections that have a state, which the PUs of this process's own network
   * namespace share; undefined where there are none.
   */
  sharedKernelQueue(): KernelQueue | undefined
}
