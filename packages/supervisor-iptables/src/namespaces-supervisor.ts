import { type Enforcement, type PUInfo, runAll, type Supervisor, TriremeError } from '@trireme/core'

/** The supervisor of one network namespace. */
export interface NamespaceSupervisor extends Supervisor {
  /** `start` and `supervise` in one: one look at what is there, and one change. */
  startWith(pu: PUInfo, enforcement: Enforcement): Promise<void>
}

/** Makes the supervisor of one network namespace, given the namespace's path. */
export type SupervisorOf = (netns: string) => NamespaceSupervisor

/**
 * Supervises PUs that have a network namespace each: the rules of a PU are inside its own, this process's is left alone.
 * A namespace dies with its rules, so nothing is inherited and nothing is left to reconcile.
 */
export class NamespacesSupervisor implements Supervisor {
  readonly #supervisorOf: SupervisorOf
  readonly #supervisors = new Map<string, NamespaceSupervisor>()
  #networks: readonly string[] | undefined
  #isStarted = false

  constructor(supervisorOf: SupervisorOf) {
    this.#supervisorOf = supervisorOf
  }

  async start(): Promise<void> {
    if (this.#isStarted) throw new TriremeError('ERR_ALREADY_STARTED', 'the iptables supervisor runs already')
    this.#isStarted = true
  }

  /** The rules stay in force. */
  async stop(): Promise<void> {
    this.#isStarted = false
    await this.#all(supervisor => supervisor.stop())
    this.#supervisors.clear()
  }

  async supervise(pu: PUInfo, enforcement: Enforcement): Promise<void> {
    if (!this.#isStarted) throw new TriremeError('ERR_NOT_STARTED', 'the iptables supervisor is not started')
    const known = this.#supervisors.get(pu.contextID)
    if (known) await known.supervise(pu, enforcement)
    else this.#supervisors.set(pu.contextID, await this.#begin(pu, enforcement))
  }

  async unsupervise(contextID: string): Promise<void> {
    const supervisor = this.#supervisors.get(contextID)
    if (!supervisor) return
    await supervisor.uninstall()
    this.#supervisors.delete(contextID)
  }

  async setTargetNetworks(networks: readonly string[]): Promise<void> {
    // First: a PU that begins meanwhile takes them from here.
    this.#networks = networks
    await this.#all(supervisor => supervisor.setTargetNetworks(networks))
  }

  async reconcile(): Promise<void> {}

  async uninstall(): Promise<void> {
    this.#isStarted = false
    await this.#all(supervisor => supervisor.uninstall())
    this.#supervisors.clear()
  }

  async #begin(pu: PUInfo, enforcement: Enforcement): Promise<NamespaceSupervisor> {
    const { isolation } = pu.runtime
    if (isolation.by !== 'netns') {
      throw new TriremeError(
        'ERR_UNSUPPORTED_KIND',
        `PU ${pu.contextID}: isolated by ${isolation.by}, expected a network namespace of its own (netns)`,
      )
    }
    const supervisor = this.#supervisorOf(isolation.path)
    const networks = this.#networks
    if (networks) await supervisor.setTargetNetworks(networks)
    try {
      await supervisor.startWith(pu, enforcement)
      await this.#catchUp(supervisor, networks)
      return supervisor
    } catch (error) {
      await runAll([() => Promise.reject(error), () => supervisor.uninstall()])
      throw error
    }
  }

  /** Who sets networks tells them to the supervisors that run: until this one does, it asks for them itself. */
  async #catchUp(supervisor: NamespaceSupervisor, known: readonly string[] | undefined): Promise<void> {
    for (let told = known; this.#networks && told !== this.#networks; ) {
      told = this.#networks
      await supervisor.setTargetNetworks(told)
    }
  }

  #all(step: (supervisor: Supervisor) => Promise<void>): Promise<void> {
    return runAll([...this.#supervisors.values()].map(supervisor => () => step(supervisor)))
  }
}
