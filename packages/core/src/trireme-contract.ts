import type { Clock } from './clock.js'
import type { NameServersOf } from './name-server-watch.js'
import type {
  EventCollector,
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
import type { PUKind, PURuntime } from './pu.js'

export interface TriremeOptions {
  /** The node's name: the issuer of its PUs' identities. Not empty. */
  readonly serverID: string
  readonly resolver: PolicyResolver
  /** One pair per PU kind; kinds may share enforcers and supervisors. */
  readonly isolators: Isolators
  /** Default: nobody listens. */
  readonly collector?: EventCollector
  readonly clock?: Clock
  /** The addresses of a PU's name servers, for `dns: allow`. Default: by its resolv.conf. */
  readonly nameServersOf?: NameServersOf
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
  /**
   * Asks the resolver again about every PU that runs, after the events under way, and puts in force what differs. A PU whose update
   * fails keeps the policy that it has, and the others change nevertheless.
   * @returns the IDs of the PUs that changed.
   * @throws TriremeError `ERR_NOT_STARTED`, or what the resolver or an update said (`AggregateError` where several did).
   */
  refreshPolicies(): Promise<readonly string[]>
  /** What a monitor last said of the PU. @throws TriremeError `ERR_PU_UNKNOWN`. */
  puRuntime(contextID: string): PURuntime
  /** Undefined for a kind that is not isolated here. */
  supervisor(kind: PUKind): Supervisor | undefined
  /** The running PUs with the policies in force, those that allow all among them. */
  puInfos(): readonly PUInfo[]
  /** Has every supervisor drop what no reported PU needs: once all monitors have reported, after the events they sent. */
  reconcile(): Promise<void>
}
