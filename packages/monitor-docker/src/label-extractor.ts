import { isReservedTagKey, type Tag, type Tags } from '@trireme/core'
import type { ContainerInspection } from './container-inspection.js'
import type { ContainerExtractor, ContainerPU, ExtractorContext } from './container-pu.js'
import { type LabelFilter, sortLabels } from './label-filter.js'

export interface LabelExtractorOptions extends LabelFilter {
  /** Put before every label: `@usr:` makes tags as the Go library did. Such tags are reserved: they never travel. Default none. */
  readonly prefix?: string
}

/**
 * The labels are the tags, unchanged, less those that the filter leaves out: these are in `options` as `label:KEY`. What the engine itself vouches for comes beside them under `@sys:`: `@sys:image`,
 * `@sys:name`, `@sys:container`, `@sys:network`. A label that looks like a reserved tag is refused.
 */
export function labelExtractor(options: LabelExtractorOptions = {}): ContainerExtractor {
  return (container, context) => ({
    name: containerName(container),
    ...labelFacts(container, Object.entries(container.Config.Labels), { ...options, context }),
  })
}

/** The tags that labels and the engine's facts make, and the labels that make none. */
export function labelFacts(
  container: ContainerInspection,
  labels: readonly (readonly [label: string, value: string])[],
  { prefix = '', context, ...filter }: LabelExtractorOptions & { readonly context: ExtractorContext },
): Pick<ContainerPU, 'tags' | 'options'> {
  const { tags, options, surplus } = sortLabels(labelTags(labels, context), filter)
  if (surplus > 0) {
    context.onRefusedLabel({
      label: '*',
      reason: `${surplus} labels are no part of the identity unless a rule names them`,
    })
  }
  const prefixed = tags.map(({ key, value }) => ({ key: `${prefix}${key}`, value }))
  return { tags: [...prefixed, ...factTags(container)], options }
}

/** The container's name without the engine's leading slash. */
export function containerName(container: ContainerInspection): string {
  return container.Name.replace(/^\//, '')
}

/** Labels as tags, less those that cannot be. */
function labelTags(
  labels: readonly (readonly [label: string, value: string])[],
  { onRefusedLabel }: ExtractorContext,
): Tags {
  const tags: Tag[] = []
  for (const [label, value] of labels) {
    const reason = labelFault(label)
    if (reason === undefined) tags.push({ key: label, value })
    else onRefusedLabel({ label, reason })
  }
  return tags
}

/** What the engine says of the container, under reserved keys. */
function factTags(container: ContainerInspection): Tags {
  return [
    { key: '@sys:image', value: container.Config.Image },
    { key: '@sys:name', value: containerName(container) },
    { key: '@sys:container', value: container.Id },
    { key: '@sys:network', value: container.HostConfig.NetworkMode },
  ]
}

function labelFault(label: string): string | undefined {
  if (label === '') return 'expected a key that is not empty'
  if (isReservedTagKey(label)) return 'keys that begin with @ or $ are reserved'
  return label.includes('=') ? 'expected a key without "="' : undefined
}
