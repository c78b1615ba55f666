import { isReservedTagKey, type Tag, type Tags } from '@trireme/core'
import type { ContainerInspection } from './container-inspection.js'
import type { ContainerExtractor, ExtractorContext } from './container-pu.js'

export interface LabelExtractorOptions {
  /** Put before every label: `@usr:` makes tags as the Go library did. Such tags are reserved: they never travel. Default none. */
  readonly prefix?: string
}

/**
 * The labels are the tags, unchanged. What the engine itself vouches for comes beside them under `@sys:`: `@sys:image`,
 * `@sys:name`, `@sys:container`, `@sys:network`. A label that looks like a reserved tag is refused.
 */
export function labelExtractor({ prefix = '' }: LabelExtractorOptions = {}): ContainerExtractor {
  return (container, context) => ({
    name: containerName(container),
    tags: [...labelTags(Object.entries(container.Config.Labels), context, prefix), ...factTags(container)],
  })
}

/** The container's name without the engine's leading slash. */
export function containerName(container: ContainerInspection): string {
  return container.Name.replace(/^\//, '')
}

/** Labels as tags, less those that cannot be. */
export function labelTags(
  labels: readonly (readonly [label: string, value: string])[],
  { onRefusedLabel }: ExtractorContext,
  prefix = '',
): Tags {
  const tags: Tag[] = []
  for (const [label, value] of labels) {
    const reason = labelFault(label)
    if (reason === undefined) tags.push({ key: `${prefix}${label}`, value })
    else onRefusedLabel({ label, reason })
  }
  return tags
}

/** What the engine says of the container, under reserved keys. */
export function factTags(container: ContainerInspection): Tags {
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
