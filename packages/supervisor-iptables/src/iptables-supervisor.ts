import {
  assertMethods,
  assertText,
  type Enforcement,
  type Factory,
  type FilterQueue,
  KernelError,
  type Networks,
  type PUInfo,
  type Supervisor,
  TriremeError,
} from '@trireme/core'
import { AddressSetKeeper } from './address-set-keeper.js'
import { addressSetsOf, NO_SETS } from './address-sets.js'
import { refusedPaths } from './cgroup-probe.js'
import { type ChainNames, chainNames } from './chain-names.js'
import { ChangeQueue } from './change-queue.js'
import { checkBridges } from './check-bridges.js'
import {
  changedPaths,
  checkNetworks,
  type Desired,
  hasInherited,
  hasInterfaces,
  NOTHING,
  pathsOf,
  withoutPU,
  withPU,
} from './desired.js'
import { FAMILIES } from './family.js'
import { inheritedIn, usesLinks, usesSets } from './found-rules.js'
import { FrameGuard, portsOf } from './frame-guard.js'
import { type Backend, type Iptables, iptables } from './iptables.js'
import { linksIn } from './link-rules.js'
import { type NamespaceSupervisor, NamespacesSupervisor } from './namespaces-supervisor.js'
import { RuleKeeper, refusalIn } from './rule-keeper.js'
import { RulesWatch } from './rules-watch.js'
import { inheritedLinks } from './saved-rules.js'
import { checkSupervisedPU } from './supervised-pu.js'

export interface IptablesSupervisorOptions {
  /** Default `auto`: what the host's `iptables` uses. One host must not mix the two. */
  readonly backend?: Backend
  /** Path of the network namespace whose packets are trapped. Default: the process's own. */
  readonly netns?: string
  /** `own` (default): PUs share that one namespace. `per-pu`: each PU has its own, and its rules are inside. */
  readonly namespaces?: 'own' | 'per-pu'
  /**
   * What is there while there is no PU, nor one that an earlier process left: the rules that all PUs share (`installed`, the
   * default), or none. With `per-pu` never any.
   */
  readonly whileEmpty?: 'installed' | 'absent'
  /** Whether PUs behind interfaces are expected: `start` then rejects where rules do not see what bridges carry. Default false. */
  readonly expectsInterfaces?: boolean
  /**
   * Whether a cgroup v2 path, relative to the mount, still exists. Spares a failed attempt where a PU's cgroup has vanished.
   * Default: ask the kernel.
   */
  readonly cgroupExists?: (path: string) => boolean
  /**
   * How often to look whether other programs have taken rules away or put their own before them; what is found is put right.
   * Default 5,000 ms, rarer where a look takes long. 0: never. With `per-pu` never: nobody but the PU is in its namespace.
   */
  readonly checkMs?: number
  /** Hears of what another program did to the rules. */
  readonly onDisturbance?: (disturbance: RulesDisturbance) => void
}

/** Rules were not as they had been made. */
export interface RulesDisturbance {
  /** A few words for people each; empty where looking failed. */
  readonly found: readonly string[]
  /** Why they could not be looked at or put right; absent where they are in force again. */
  readonly error?: unknown
}

export interface IptablesSupervisorComponents {
  /** Names the instance's chains. */
  readonly serverID: string
  /** Asked anew for every change. */
  readonly filterQueue: () => FilterQueue
  readonly networks: Networks
}

/** What a supervisor of one network namespace needs to know. */
export type SupervisedPlace = Omit<IptablesSupervisorOptions, 'backend' | 'namespaces'>

const CHECK_MS = 5000
/** IPv6 that the kernel gets later is open for no longer. */
const FAMILY_CHECK_MS = 200

/**
 * Traps the packets of PUs with iptables rules of both families, and lets the kernel decide what needs no identity.
 * Rules outlive the process: `stop` leaves them in force, and the next `start` takes them over.
 * Beside the contract's errors every change rejects with KernelError where iptables refuses it, and with TriremeError
 * `ERR_MISSING_CAPABILITY` where its programs are missing; then nothing has changed.
 */
export function iptablesSupervisor(
  options: IptablesSupervisorOptions = {},
): Factory<IptablesSupervisorComponents, Supervisor> {
  const { backend = 'auto', netns, namespaces = 'own' } = options
  return components => {
    assertText('serverID', components?.serverID)
    assertMethods('components', components, ['filterQueue'])
    if (namespaces === 'own') {
      return supervisorOver(
        iptables({ backend, ...(netns === undefined ? {} : { netns }) }),
        options,
        components,
      )
    }
    checkNetworks(components.networks)
    return new NamespacesSupervisor(path =>
      supervisorOver(
        iptables({ backend, netns: path }),
        { ...options, netns: path, whileEmpty: 'absent', checkMs: 0 },
        components,
      ),
    )
  }
}

/** The same over any `Iptables`. */
export function supervisorOver(
  programs: Iptables,
  options: SupervisedPlace,
  components: IptablesSupervisorComponents,
): NamespaceSupervisor {
  checkNetworks(components.networks)
  return new IptablesSupervisor(programs, options, components)
}

class IptablesSupervisor implements NamespaceSupervisor {
  readonly #iptables: Iptables
  readonly #options: SupervisedPlace
  readonly #names: ChainNames
  readonly #filterQueue: () => FilterQueue
  readonly #changes: ChangeQueue<Desired>
  readonly #sets: AddressSetKeeper
  readonly #frames: FrameGuard
  #networks: Networks
  #isStarted = false
  readonly #rules: RuleKeeper
  readonly #watch: RulesWatch
  readonly #familyWatch: RulesWatch

  constructor(programs: Iptables, options: SupervisedPlace, components: IptablesSupervisorComponents) {
    this.#iptables = programs
    this.#options = options
    this.#names = chainNames(components.serverID)
    this.#filterQueue = components.filterQueue
    this.#networks = components.networks
    this.#rules = new RuleKeeper(programs, this.#names)
    this.#sets = new AddressSetKeeper(programs, this.#names.prefix)
    this.#frames = new FrameGuard(programs, this.#names.prefix)
    this.#changes = new ChangeQueue(NOTHING, (next, previous) =>
      this.#hasRules(next) ? this.#install(next, previous) : this.#removeRules(next),
    )
    const everyMs = options.checkMs ?? CHECK_MS
    this.#watch = new RulesWatch({ everyMs, look: () => this.#look() })
    this.#familyWatch = new RulesWatch({ everyMs: FAMILY_CHECK_MS, look: () => this.#lookForFamilies() })
  }

  /**
   * @throws KernelError naming the family's program where one of the families cannot be enforced; TriremeError
   * `ERR_MISSING_CAPABILITY` where PUs are expected behind bridges that no rule sees into.
   */
  async start(): Promise<void> {
    if (this.#options.expectsInterfaces) await checkBridges(this.#iptables)
    await this.#begin(desired => desired)
  }

  async startWith(pu: PUInfo, enforcement: Enforcement): Promise<void> {
    const supervised = { pu, enforcement }
    checkSupervisedPU(supervised)
    await this.#checkPlace(pu)
    await this.#begin(desired => withPU(desired, supervised))
  }

  async stop(): Promise<void> {
    this.#isStarted = false
    this.#stopWatching()
    await this.#changes.settled()
  }

  async supervise(pu: PUInfo, enforcement: Enforcement): Promise<void> {
    const supervised = { pu, enforcement }
    checkSupervisedPU(supervised)
    await this.#checkPlace(pu)
    await this.#change(desired => withPU(desired, supervised))
  }

  async unsupervise(contextID: string): Promise<void> {
    await this.#change(desired => withoutPU(desired, contextID))
  }

  async setTargetNetworks(networks: readonly string[]): Promise<void> {
    const next = { ...this.#networks, trireme: [...networks] }
    checkNetworks(next)
    if (this.#isStarted) await this.#change(desired => ({ ...desired, networks: next }))
    this.#networks = next
  }

  async reconcile(): Promise<void> {
    await this.#change(desired =>
      hasInherited(desired) ? { ...desired, inherited: [], inheritedLinks: [] } : desired,
    )
  }

  /** Also without a `start`: what is ours is found by the names of its chains. Ends supervision. */
  async uninstall(): Promise<void> {
    this.#isStarted = false
    this.#stopWatching()
    await this.#changes.submit(() => ({ ...NOTHING }))
  }

  async #change(change: (desired: Desired) => Desired): Promise<void> {
    const notStarted = () => new TriremeError('ERR_NOT_STARTED', 'the iptables supervisor is not started')
    if (!this.#isStarted) throw notStarted()
    await this.#changes.submit(desired => {
      if (!desired.isInstalled) throw notStarted()
      return change(desired)
    })
  }

  #hasRules(desired: Desired): boolean {
    const isEmpty = desired.pus.size === 0 && !hasInherited(desired)
    return desired.isInstalled && !(isEmpty && this.#options.whileEmpty === 'absent')
  }

  /** Takes over what an earlier process left, together with the change. */
  async #begin(change: (desired: Desired) => Desired): Promise<void> {
    if (this.#isStarted) throw new TriremeError('ERR_ALREADY_STARTED', 'the iptables supervisor runs already')
    this.#isStarted = true
    try {
      const found = await this.#rules.read()
      if (FAMILIES.some(family => usesSets(found[family]))) this.#sets.expectOthers()
      const inherited = inheritedIn(found, this.#names)
      if (usesLinks(found, this.#names)) this.#frames.expectOthers()
      const left = FAMILIES.flatMap(family => inheritedLinks(found[family], this.#names, family))
      await this.#changes.submit(() => {
        this.#rules.startFrom(found)
        return change({
          ...NOTHING,
          isInstalled: true,
          networks: this.#networks,
          inherited,
          inheritedLinks: left,
        })
      })
      if (this.#options.checkMs !== 0) this.#watch.start()
      if (this.#rules.lacksFamily) this.#familyWatch.start()
    } catch (error) {
      this.#isStarted = false
      throw error
    } finally {
      this.#rules.startFrom(undefined)
    }
  }

  #stopWatching(): void {
    this.#watch.stop()
    this.#familyWatch.stop()
  }

  /** Puts the rules back as they were made, where another program has taken some away or stepped before them. */
  async #look(): Promise<'done' | 'in-vain'> {
    let found: readonly string[] = []
    try {
      await this.#changes.settled()
      const frames = await this.#frames.damage()
      found = [...(await this.#rules.damage()), ...frames]
      if (found.length > 0 && !this.#changes.isBusy) {
        if (frames.length > 0) this.#frames.expectOthers()
        await this.#repair(found)
      }
      found = []
      if (hasInterfaces(this.#changes.state)) await checkBridges(this.#iptables)
      return 'done'
    } catch (error) {
      if (this.#isStarted) this.#options.onDisturbance?.({ found, error })
      return 'in-vain'
    }
  }

  /** The rules of a family that the kernel has got since they were made. */
  async #lookForFamilies(): Promise<'done' | 'in-vain'> {
    let found: readonly string[] = []
    try {
      found = await this.#rules.newFamilies()
      if (found.length > 0) await this.#repair(found)
      if (!this.#rules.lacksFamily) this.#familyWatch.stop()
    } catch (error) {
      if (this.#isStarted) this.#options.onDisturbance?.({ found, error })
    }
    return 'done'
  }

  /** @throws KernelError where the kernel still shows the same damage: adding to it again and again would be no repair. */
  async #repair(found: readonly string[]): Promise<void> {
    await this.#change(desired => ({ ...desired }))
    const damage = [...(await this.#rules.damage()), ...(await this.#frames.damage())]
    const left = damage.filter(what => found.includes(what))
    if (left.length > 0) {
      const detail = `the same is found after they were made anew: ${left.join('; ')}`
      throw new KernelError({ op: 'iptables', errno: 'EPROTO', detail })
    }
    this.#options.onDisturbance?.({ found })
  }

  /**
   * A cgroup that has vanished makes a restore fail as a whole. Nothing can be in it, so its match is left out; but not for a
   * PU that this very change brings.
   */
  async #install(next: Desired, previous: Desired): Promise<void> {
    const { cgroupExists = () => true } = this.#options
    const required = changedPaths(next, previous)
    const optional = [...pathsOf(next)].filter(path => !required.has(path))
    const vanishedPaths = new Set(optional.filter(path => !cgroupExists(path)))
    try {
      await this.#switchTo(next, vanishedPaths)
    } catch (error) {
      const refusal = refusalIn(error)
      if (!refusal) throw error
      await this.#installWithoutVanished(next, { required, vanishedPaths, error: refusal })
    }
  }

  async #installWithoutVanished(next: Desired, failure: InstallFailure): Promise<void> {
    const { required, vanishedPaths, error } = failure
    const asked = [...pathsOf(next)].filter(path => !vanishedPaths.has(path))
    const refused = await refusedPaths(this.#iptables, this.#names, asked).catch(probeError => {
      throw new AggregateError([error, probeError], `${error}; ${probeError}`)
    })
    if (refused.size === 0) throw error
    const missing = [...refused].find(path => required.has(path))
    if (missing !== undefined) {
      const detail = `cgroup ${missing} does not exist`
      throw new KernelError({ op: error.op, errno: error.errno, detail, cause: error })
    }
    await this.#switchTo(next, new Set([...vanishedPaths, ...refused]))
  }

  async #removeRules({ isInstalled }: Desired): Promise<void> {
    const there = isInstalled ? undefined : await this.#rules.read()
    await this.#rules.removeAll()
    if (isInstalled) await this.#sets.retain(NO_SETS)
    else await this.#sets.removeAll()
    if (!isInstalled && usesLinks(there, this.#names)) this.#frames.expectOthers()
    await this.#frames.retain(new Map())
  }

  async #switchTo(desired: Desired, vanishedPaths: ReadonlySet<string>): Promise<void> {
    const { flowQueue, commands } = this.#filterQueue()
    const { epoch = commands.epoch } = desired
    const input = {
      ...desired,
      names: this.#names,
      filterQueue: { flowQueue, commands: { ...commands, epoch } },
      pus: [...desired.pus.values()],
      vanishedPaths,
    }
    const hasIPv6 = await this.#iptables.has('IPv6')
    const sets = {
      IPv4: addressSetsOf(input, 'IPv4'),
      IPv6: hasIPv6 ? addressSetsOf(input, 'IPv6') : NO_SETS.IPv6,
    }
    const ports = portsOf(FAMILIES.flatMap(family => linksIn(input, family)))
    await this.#sets.provide(sets)
    await this.#frames.provide(ports)
    await this.#rules.make(input)
    await this.#sets.retain(sets)
    await this.#frames.retain(ports)
  }

  async #checkPlace({ contextID, runtime: { isolation } }: PUInfo): Promise<void> {
    if (isolation.by === 'interfaces') await checkBridges(this.#iptables)
    if (isolation.by !== 'netns' || isolation.path === this.#options.netns) return
    throw new TypeError(
      `PU ${contextID}: isolation.path: ${isolation.path} is not the supervisor's network namespace ` +
        `(${this.#options.netns ?? 'the process’s own'})`,
    )
  }
}

interface InstallFailure {
  readonly required: ReadonlySet<string>
  readonly vanishedPaths: ReadonlySet<string>
  readonly error: KernelError
}
