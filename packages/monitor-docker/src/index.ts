/**
 * Monitor for Docker: containers are PUs, their labels the identity.
 *
 * ```ts
 * import { dockerMonitor } from '@trireme/monitor-docker'
 *
 * const monitor = dockerMonitor()({ handler: trireme })
 * await monitor.start()
 * ```
 */
export { type CommandExtractorOptions, commandExtractor } from './command-extractor.js'
export type { ContainerInspection, PortBinding, PortBindings } from './container-inspection.js'
export type { ContainerExtractor, ContainerPU, ExtractorContext, RefusedLabel } from './container-pu.js'
export {
  type DockerMonitor,
  type DockerMonitorComponents,
  type DockerMonitorOptions,
  dockerMonitor,
  type EnforcedContainer,
} from './docker-monitor.js'
export type { EngineTLS } from './engine-address.js'
export { type EngineOptions, engineFromEnvironment } from './engine-from-environment.js'
export { kubernetesExtractor } from './kubernetes-extractor.js'
export { type LabelExtractorOptions, labelExtractor } from './label-extractor.js'
export { DEFAULT_EXCLUDED_LABELS, type LabelFilter } from './label-filter.js'
export type { DockerMonitorProblem } from './monitor-problem.js'
export {
  DEFAULT_GATE_SOCKET,
  type InstallRuntimeOptions,
  installRuntime,
  type RemoveRuntimeOptions,
  RUNTIME_NAME,
  type RuntimeOptions,
  removeRuntime,
} from './runtime-installation.js'
export { swarmExtractor } from './swarm-extractor.js'
export { type ContainerNamespace, visitContainerNamespaces } from './visit-container-namespaces.js'
