import type { ContainerExtractor } from './container-pu.js'
import { containerName, labelExtractor, labelFacts } from './label-extractor.js'
import type { LabelFilter } from './label-filter.js'

const SWARM = 'com.docker.swarm.'
const SERVICE_NAME = `${SWARM}service.name`

/**
 * Tasks of Swarm services: the service's container labels and `com.docker.swarm.service.name`, so that all tasks of a service
 * are one identity; what differs from task to task is left out. Other containers: by their labels.
 */
export function swarmExtractor(filter: LabelFilter = {}): ContainerExtractor {
  const byLabels = labelExtractor(filter)
  return (container, context) => {
    const labels = Object.entries(container.Config.Labels)
    if (container.Config.Labels[SERVICE_NAME] === undefined) return byLabels(container, context)
    const lasting = labels.filter(([label]) => label === SERVICE_NAME || !label.startsWith(SWARM))
    return { name: containerName(container), ...labelFacts(container, lasting, { ...filter, context }) }
  }
}
