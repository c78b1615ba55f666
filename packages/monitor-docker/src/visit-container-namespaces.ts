import type { ContainerInspection } from './container-inspection.js'
import { isGone, locateContainer } from './container-place.js'
import { Processes } from './container-process.js'
import { contextIDOf } from './container-unit.js'
import type { DockerMonitorOptions } from './docker-monitor.js'
import { connectDockerode } from './dockerode-engine.js'
import type { Engine } from './engine.js'
import { DEFAULT_ENGINE } from './engine-address.js'

export interface ContainerNamespace {
  readonly contextID: string
  /** Good until the visit is over. */
  readonly path: string
}

/**
 * Visits the network namespace of each container that runs and has one of its own, one after another. Changes nothing in any.
 * Rejects with `KernelError` where the engine cannot be reached, and with what a visit rejects with.
 */
export async function visitContainerNamespaces(
  options: Pick<DockerMonitorOptions, 'engine' | 'tls' | 'procFolder'>,
  visit: (namespace: ContainerNamespace) => Promise<void>,
): Promise<void> {
  const { engine: address = DEFAULT_ENGINE, tls, procFolder = '/proc' } = options
  const processes = new Processes(procFolder)
  const onUnreadable = () => {}
  const engine = await connectDockerode({ engine: address, tls, onUnreadable }, new AbortController().signal)
  try {
    for (const container of await runningContainers(engine)) await visitOne(container, processes, visit)
  } finally {
    engine.close()
  }
}

async function runningContainers(engine: Engine): Promise<readonly ContainerInspection[]> {
  const listed = (await engine.list()).filter(({ state }) => state === 'running' || state === 'paused')
  const inspected = await Promise.all(listed.map(({ id }) => engine.inspect(id)))
  return inspected.flatMap(each => (each !== undefined && each.State.Pid > 0 ? [each] : []))
}

async function visitOne(
  container: ContainerInspection,
  processes: Processes,
  visit: (namespace: ContainerNamespace) => Promise<void>,
): Promise<void> {
  // Of a host that is not ours there is nothing to visit.
  if (container.HostConfig.NetworkMode === 'host') return
  const place = await locateContainer({ container, pid: container.State.Pid }, processes).catch(error => {
    if (isGone(error)) return undefined
    throw error
  })
  if (place?.kind !== 'container') return
  try {
    await visit({ contextID: contextIDOf(container.Id), path: place.namespace.path })
  } finally {
    await place.namespace.close()
  }
}
