import type { Clock, EventCollector, ProcessingUnitsHandler, SynchronizationHandler } from '@trireme/core'
import type { ReadInterfaces } from './container-interfaces.js'
import type { Processes } from './container-process.js'
import type { ContainerExtractor } from './container-pu.js'
import type { EngineConnector } from './engine.js'
import type { DockerMonitorProblem } from './monitor-problem.js'

/** The options of a `dockerMonitor`, none left out. */
export interface WatchSettings {
  readonly connect: EngineConnector
  readonly extractor: ContainerExtractor
  readonly waitForEngine: boolean
  readonly syncAtStart: boolean
  readonly killContainerOnError: boolean
  readonly gateSocket: string | undefined
  readonly concurrency: number
  readonly processes: Processes
  readonly cutOff: (namespacePath: string) => Promise<void>
  readonly readInterfaces: ReadInterfaces | undefined
  readonly onProblem: (problem: DockerMonitorProblem) => void
  readonly clock: Clock
}

export interface WatchComponents {
  readonly handler: ProcessingUnitsHandler
  readonly synchronizationHandler?: SynchronizationHandler
  readonly collector: EventCollector
}
