import type { ContainerExtractor } from './container-pu.js'
import { labelExtractor, labelFacts } from './label-extractor.js'
import type { LabelFilter } from './label-filter.js'

const KUBERNETES = 'io.kubernetes.'
const POD_NAME = `${KUBERNETES}pod.name`
const POD_NAMESPACE = `${KUBERNETES}pod.namespace`
const CONTAINER_NAME = `${KUBERNETES}container.name`
/** What kubelet calls the container that holds a pod's network namespace. */
const INFRA_CONTAINER = 'POD'

/**
 * A pod is one PU: its infra container, with the pod's labels, `io.kubernetes.pod.name` and `io.kubernetes.pod.namespace` as
 * tags, named `namespace/pod`. The pod's other containers live in its network namespace and are no PUs. Containers without
 * a pod: by their labels, also where they only look like a pod's, since anybody may put kubelet's labels into an image.
 */
export function kubernetesExtractor(filter: LabelFilter = {}): ContainerExtractor {
  const byLabels = labelExtractor(filter)
  return (container, context) => {
    const labels = container.Config.Labels
    const pod = labels[POD_NAME]
    if (pod === undefined) return byLabels(container, context)
    if (labels[CONTAINER_NAME] !== INFRA_CONTAINER) {
      return container.HostConfig.NetworkMode.startsWith('container:')
        ? undefined
        : byLabels(container, context)
    }
    const lasting = Object.entries(labels).filter(
      ([label]) =>
        label === POD_NAME ||
        label === POD_NAMESPACE ||
        !(label.startsWith(KUBERNETES) || label.startsWith('annotation.')),
    )
    return {
      name: `${labels[POD_NAMESPACE] ?? 'default'}/${pod}`,
      ...labelFacts(container, lasting, { ...filter, context }),
    }
  }
}
