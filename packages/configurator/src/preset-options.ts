import type {
  CompactPKIMaterial,
  EventCollector,
  FailsafePort,
  PacketProcessor,
  PKIMaterial,
  PolicyResolver,
  Secrets,
  SynchronizationHandler,
} from '@trireme/core'
import type { FlowJournal } from '@trireme/enforcer-nfq'
import type { DockerMonitorOptions } from '@trireme/monitor-docker'
import type { MonitorProblem } from '@trireme/monitor-linux-cgroup'
import type { RulesDisturbance } from '@trireme/supervisor-iptables'

/** How PUs of this node find, trust and judge each other. */
export interface PresetOptions {
  /** The node's name: the issuer of its PUs' identities. */
  readonly serverID: string
  readonly resolver: PolicyResolver
  /** How identities are encoded; the same on all nodes. Default `binary`, or `jwt` where that alone is installed. */
  readonly tokens?: 'binary' | 'jwt'
  /** `mutual` (default): the PU that connects decides over the other, too. */
  readonly authorization?: 'mutual' | 'receiver'
  /** CIDRs in which peers are expected to carry an identity. Default `DEFAULT_TRIREME_NETWORKS`, with containers `DOCKER_NETWORKS` besides. */
  readonly networks?: readonly string[]
  /** CIDRs that are not looked at. Default none. */
  readonly excludedNetworks?: readonly string[]
  /** Ports that are never trapped. Default none. */
  readonly failsafePorts?: readonly FailsafePort[]
  /** What becomes of the TCP connections that a PU has when it is first enforced. Default `keep`. */
  readonly adopt?: 'keep' | 'reset'
  /**
   * What becomes of connections whose client dialled an address that is neither the host's nor an alias of the PU: `strict` (default)
   * refuses them, `observe` reports them as observed and lets them in, `off` lets them in.
   */
  readonly bind?: 'strict' | 'observe' | 'off'
  /** Addresses by which others reach this host though no interface has them, as behind a router. Default none. */
  readonly aliases?: readonly string[]
  /** Differs from the previous start's: a counter kept in the state directory, say. Default 0. */
  readonly generation?: number
  /**
   * What becomes of live connections that a changed policy no longer allows: `revoke` (default) ends them within a second, `keep`
   * lets them go on.
   */
  readonly onPolicyChange?: 'revoke' | 'keep'
  /**
   * Where the enforcer of this node's own network namespace, and that of PUs with one each, keep what must outlive the process: a
   * journal each. Default: in memory, so that live connections end with the first change of policy after a restart.
   */
  readonly journal?: (place: 'own' | 'per-pu') => FlowJournal
  /** Default: nobody listens. */
  readonly collector?: EventCollector
  /** Sees the packets that reach user space, and may veto. Default none. */
  readonly processor?: PacketProcessor
  /** Hears of the enforcer's errors that concern no single call. */
  readonly onError?: (error: unknown) => void
  /** Hears of rules that another program took away, or put its own before. */
  readonly onDisturbance?: (disturbance: RulesDisturbance) => void
}

/** The monitor of Linux processes. */
export interface LinuxPresetOptions {
  /** Where the monitor keeps what must outlive the process. One Trireme per folder. */
  readonly stateDir: string
  /** A folder in a mounted cgroup2 or net_cls hierarchy. Default: what is mounted, v2 first, else a private mount. */
  readonly cgroupRoot?: string
  /** PUs that each user beside root may have at a time. Default 256. */
  readonly maxPUsPerUser?: number
  /** Hears what concerns one PU and fails no call. */
  readonly onProblem?: (problem: MonitorProblem) => void
}

/**
 * The monitor of containers, and how they are enforced. Without `engine` and `connect` the engine is where `DOCKER_HOST`,
 * `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` say, as for the Docker client.
 */
export interface DockerPresetOptions extends DockerMonitorOptions {
  /** Told of what was there at the start. */
  readonly synchronizationHandler?: SynchronizationHandler
  /**
   * Whether containers in the host's network are enforced (default), by rules in the host's namespace that exist as long as such a
   * container does. False: they are refused, and the host's rules are never touched.
   */
  readonly hostNetwork?: boolean
}

/** A pre-shared key, at least 16 bytes. Whoever holds it can claim any identity. */
export interface PSKOptions {
  readonly key: Uint8Array
}

export interface PKIOptions extends PKIMaterial {
  /**
   * `on-the-wire` (default): the node's certificate travels in its records, and nodes whose certificates were given to the
   * `publicKeyAdder` may do without. `handed-out`: only those are known, and records stay small.
   */
  readonly certificates?: 'on-the-wire' | 'handed-out'
}

/** What a node proves its identities with: the first of `secrets` signs, all are accepted. */
export type AuthOptions =
  | PSKOptions
  | PKIOptions
  | CompactPKIMaterial
  | { readonly secrets: readonly Secrets[] }
