import {
  assertMethods,
  type Clock,
  type EventCollector,
  type Factory,
  type Monitor,
  noCollector,
  type ProcessingUnitsHandler,
  runAll,
  type SynchronizationHandler,
  systemClock,
  TriremeError,
} from '@trireme/core'
import { readInterfaces } from './container-interfaces.js'
import { Processes } from './container-process.js'
import type { ContainerExtractor } from './container-pu.js'
import { ContainerWatch } from './container-watch.js'
import { cutOff } from './cut-off.js'
import { connectDockerode } from './dockerode-engine.js'
import type { EngineConnector } from './engine.js'
import { DEFAULT_ENGINE, type EngineTLS, parseEngineAddress } from './engine-address.js'
import { labelExtractor } from './label-extractor.js'
import type { LabelFilter } from './label-filter.js'
import type { DockerMonitorProblem } from './monitor-problem.js'

export interface DockerMonitorOptions {
  /** The engine's address, as `DOCKER_HOST` has it. Default `unix:///var/run/docker.sock`. It must run on this machine. */
  readonly engine?: string
  /** For an engine that is reached by TCP with TLS. */
  readonly tls?: EngineTLS
  /** Makes identities. Default `labelExtractor(labels)`. */
  readonly extractor?: ContainerExtractor
  /** Which labels are part of an identity; of no use with an `extractor`. */
  readonly labels?: LabelFilter
  /**
   * Where containers are enforced. `remote` (default): each inside its network namespace. `local`: at the bridges of the host, to which
   * all their interfaces must belong.
   */
  readonly enforcement?: 'local' | 'remote'
  /**
   * Whether `start` resolves where the engine does not answer yet. The start gate works meanwhile: an engine that is starting waits for
   * its containers' starts before it answers. Default false.
   */
  readonly waitForEngine?: boolean
  /** Whether containers that run already when the monitor starts are enforced. Default true. */
  readonly syncAtStart?: boolean
  /**
   * What becomes of a container that cannot be enforced. True (default): it is killed. False: it runs on, without any network
   * until it starts anew; where that cannot be brought about, as in the host's network, it is killed all the same.
   */
  readonly killContainerOnError?: boolean
  /** Where containers started by the OCI runtime of `installRuntime` wait until they are enforced. Default: nobody waits. */
  readonly gateSocket?: string
  /** How many containers are looked after at a time. Default 32. */
  readonly concurrency?: number
  /** Where processes are seen by the engine's numbers. Default `/proc`. */
  readonly procFolder?: string
  /** Hears what fails no call. Must not throw. */
  readonly onProblem?: (problem: DockerMonitorProblem) => void
  readonly clock?: Clock
  /** Makes connections to the engine; by default dockerode's. */
  readonly connect?: EngineConnector
  /** Lets nothing into or out of a network namespace any more. Default: takes its interfaces down with `ip`. */
  readonly cutOff?: (namespacePath: string) => Promise<void>
}

export interface DockerMonitorComponents {
  readonly handler: ProcessingUnitsHandler
  readonly synchronizationHandler?: SynchronizationHandler
  /** Gets the failures that never reach the handler, and refused labels. */
  readonly collector?: EventCollector
}

/** What the monitor knows of a container that is enforced. */
export interface EnforcedContainer {
  readonly contextID: string
  readonly containerID: string
}

/**
 * Makes a PU of each container. `start` resolves when what runs is enforced, and rejects where the engine cannot be reached, unless it
 * waits for it; from then on connections are made anew by themselves. `stop` leaves containers running and enforced.
 */
export interface DockerMonitor extends Monitor, AsyncDisposable {
  /** Stops, and takes enforcement down: containers run on unpoliced. Idempotent. */
  uninstall(): Promise<void>
  list(): readonly EnforcedContainer[]
  /** Resolves when all that ran when the monitor first saw the engine is enforced, or refused. Rejects when it stops before. */
  synchronized(): Promise<void>
}

/**
 * Containers as PUs, each by its own network namespace or by its interfaces; those in the host's network by their control group; those in another
 * container's network are part of that container's PU.
 * @throws TriremeError `ERR_CONFIG` for an address that is none, and for an enforcement that is none.
 */
export function dockerMonitor(
  options: DockerMonitorOptions = {},
): Factory<DockerMonitorComponents, DockerMonitor> {
  parseEngineAddress(options.engine ?? DEFAULT_ENGINE, options.tls !== undefined)
  const { enforcement = 'remote' } = options
  if (enforcement !== 'local' && enforcement !== 'remote') {
    throw new TriremeError(
      'ERR_CONFIG',
      `enforcement ${JSON.stringify(enforcement)}: expected local or remote`,
    )
  }
  if (options.extractor !== undefined && options.labels !== undefined) {
    throw new TriremeError(
      'ERR_CONFIG',
      'labels: expected none with an extractor, which takes a filter of its own',
    )
  }
  return components => {
    assertMethods('handler', components?.handler, ['setPURuntime', 'handlePUEvent'])
    return new StartableMonitor(options, components)
  }
}

class StartableMonitor implements DockerMonitor {
  readonly #options: DockerMonitorOptions
  readonly #components: DockerMonitorComponents
  #watch: ContainerWatch | undefined

  constructor(options: DockerMonitorOptions, components: DockerMonitorComponents) {
    this.#options = options
    this.#components = components
  }

  async start(): Promise<void> {
    if (this.#watch) throw new TriremeError('ERR_ALREADY_STARTED', 'the monitor has been started already')
    const watch = new ContainerWatch(settingsOf(this.#options), {
      collector: noCollector,
      ...this.#components,
    })
    this.#watch = watch
    try {
      await watch.start()
    } catch (error) {
      await runAll([() => Promise.reject(error), () => this.stop()])
    }
  }

  async stop(): Promise<void> {
    const watch = this.#watch
    this.#watch = undefined
    await watch?.stop()
  }

  async uninstall(): Promise<void> {
    const watch = this.#watch
    this.#watch = undefined
    await watch?.uninstall()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  list(): readonly EnforcedContainer[] {
    return this.#watch?.list() ?? []
  }

  async synchronized(): Promise<void> {
    if (this.#watch === undefined) throw new TriremeError('ERR_NOT_STARTED', 'the monitor is not started')
    return this.#watch.synchronized
  }
}

function settingsOf(options: DockerMonitorOptions) {
  const { engine = DEFAULT_ENGINE, tls, onProblem = () => {} } = options
  const onUnreadable = (error: unknown) => onProblem({ kind: 'event-unreadable', error })
  return {
    connect: (signal: AbortSignal) => connectDockerode({ engine, tls, onUnreadable }, signal),
    extractor: labelExtractor(options.labels),
    waitForEngine: false,
    syncAtStart: true,
    killContainerOnError: true,
    concurrency: 32,
    clock: systemClock,
    cutOff,
    ...options,
    onProblem,
    gateSocket: options.gateSocket,
    readInterfaces: options.enforcement === 'local' ? readInterfaces : undefined,
    processes: new Processes(options.procFolder ?? '/proc'),
  }
}
