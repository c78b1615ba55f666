import {
  type AuthMode,
  type EnforcementMode,
  formatTag,
  type PUInfo,
  type PUKind,
  type RepeatedRefusal,
  type Trireme,
} from '@trireme/core'
import type { KernelQueue, NfqEnforcer } from '@trireme/enforcer-nfq'
import type { SecretsInUse } from './auth/secrets-in-use.js'
import type { Config } from './config.js'
import type { FlowLog } from './flow-log.js'
import type { PolicyInForce } from './policy/policy-in-force.js'
import { formatPortRange } from './port-range.js'
import type { Problems } from './problems.js'
import { VERSION } from './version.js'

type Counters = Readonly<Record<string, number>>

/** One PU in a status report. */
export interface PUStatus {
  readonly id: string
  readonly name: string
  readonly kind: PUKind
  readonly pid?: number
  /** As `key=value`. */
  readonly tags: readonly string[]
  /** As `8080` or `8000-8100`. */
  readonly ports: readonly string[]
  readonly mode: EnforcementMode | 'allow-all'
  readonly counters: Counters
  /** The kernel's queue of its packets; absent where the kernel cannot be asked. */
  readonly queue?: KernelQueue
}

/** What `trireme status --json` shows of a ready daemon. */
export interface StatusReport {
  readonly serverID: string
  readonly version: string
  /** How this node proves its identities' origin: `psk`, `pki`, `pki-prepopulated`, `compact-pki` or `null`. */
  readonly mode: AuthMode
  /** Of the key with which it does. */
  readonly keyID: string
  /** What it accepts of others besides: another pre-shared key is another `psk`. */
  readonly accepts: readonly AuthMode[]
  /** How identities are encoded: `binary` or `jwt`. */
  readonly tokens: string
  readonly authorization: 'mutual' | 'receiver'
  readonly policy: {
    readonly file: string
    /** Of its content: the first 16 hex digits of SHA-256. */
    readonly digest: string
    readonly rules: number
    /** ISO 8601, UTC: since when this content is in force. */
    readonly since: string
  }
  /** What becomes of connections that were dialled to somebody else. */
  readonly bind: 'strict' | 'observe' | 'off'
  readonly pus: readonly PUStatus[]
  readonly kernel: {
    /** Whether it would take connection marks with verdicts (NFQA_CT); they are set by rules nevertheless. */
    readonly takesConnectionMarks: boolean
  }
  /**
   * Since the daemon started: flows by verdict and reason, signatures of peers' records that were checked, what the queue counts, and
   * packets of no known PU that were dropped, by reason.
   */
  readonly counters: Counters
  /** The kernel's queue that PUs of the host's network namespace share; absent where there is none. */
  readonly queue?: KernelQueue
  /** Between whom connections were refused or not answered, the most frequent first. */
  readonly refusals: readonly RepeatedRefusal[]
  /** What needs somebody's attention, one sentence each. */
  readonly problems: readonly string[]
}

/** What a status report is made of. */
export interface StatusSources {
  readonly config: Config
  readonly auth: SecretsInUse
  readonly policy: PolicyInForce
  readonly trireme: Trireme
  readonly enforcers: readonly NfqEnforcer[]
  readonly flows: FlowLog
  readonly problems: Problems
}

/** The daemon's state as it is now. */
export function statusReport(sources: StatusSources): StatusReport {
  const { config, auth, policy, trireme, enforcers, flows, problems } = sources
  const { file, digest, rules } = policy.current
  const { serverID, tokens, authorization, bind } = config
  const queues = enforcers.map(enforcer => enforcer.kernelQueues())
  return {
    serverID,
    version: VERSION,
    mode: auth.current.mode,
    keyID: auth.current.keyID,
    accepts: auth.current.accepts,
    tokens,
    authorization,
    policy: { file, digest, rules, since: policy.since.toISOString() },
    bind,
    pus: trireme
      .puInfos()
      .map(pu => ({ ...puStatus(pu, countersOf(pu, enforcers)), ...queueOf(pu, queues) })),
    counters: { ...flows.counters(), ...enforcerCounters(enforcers) },
    kernel: { takesConnectionMarks: enforcers.some(enforcer => enforcer.takesConnectionMarks()) },
    ...sharedQueue(enforcers),
    refusals: enforcers
      .flatMap(enforcer => enforcer.repeatedRefusals())
      .toSorted((one, other) => other.count - one.count),
    problems: problems.list(),
  }
}

/** Only one of the enforcers knows the PU. */
function countersOf({ contextID }: PUInfo, enforcers: readonly NfqEnforcer[]): Counters {
  return Object.assign({}, ...enforcers.map(enforcer => enforcer.counters(contextID)))
}

function queueOf(
  { contextID }: PUInfo,
  queues: readonly ReadonlyMap<string, KernelQueue>[],
): Pick<PUStatus, 'queue'> {
  const queue = queues.map(each => each.get(contextID)).find(each => each !== undefined)
  return queue ? { queue } : {}
}

/** At most one of the enforcers is the host's. */
function sharedQueue(enforcers: readonly NfqEnforcer[]): Pick<StatusReport, 'queue'> {
  const queue = enforcers.map(enforcer => enforcer.sharedKernelQueue()).find(each => each !== undefined)
  return queue ? { queue } : {}
}

function enforcerCounters(enforcers: readonly NfqEnforcer[]): Counters {
  const total: Record<string, number> = {}
  const add = (name: string, count: number) => {
    total[name] = (total[name] ?? 0) + count
  }
  for (const { queue, coldVerifications, counters } of enforcers.map(enforcer => enforcer.stats())) {
    add('signatures checked', coldVerifications)
    for (const [name, count] of Object.entries(counters)) add(`no PU ${name}`, count)
    for (const [name, count] of Object.entries(queue)) add(`queue ${name}`, count)
  }
  return total
}

function puStatus({ contextID, runtime, policy }: PUInfo, counters: Counters): PUStatus {
  const { name, kind, pid, tags, ports } = runtime
  return {
    id: contextID,
    name,
    kind,
    ...(pid === undefined ? {} : { pid }),
    tags: tags.map(formatTag),
    ports: ports.map(formatPortRange),
    mode: policy.action === 'allow-all' ? 'allow-all' : policy.mode,
    counters,
  }
}
