import type { PortRange, PURuntime, Tags } from '@trireme/core'
import type { ContainerInspection } from './container-inspection.js'

/** What an extractor says of a container; a `PURuntime` will do. What is left out, the monitor adds. */
export interface ContainerPU {
  readonly name: string
  readonly tags: Tags
  /** Only for containers in the host's network. Default: the image's exposed TCP ports. */
  readonly ports?: readonly PortRange[]
  /** Default: published addresses with their ports. */
  readonly aliases?: readonly string[]
  readonly options?: PURuntime['options']
}

/** A label that does not become a tag. */
export interface RefusedLabel {
  readonly label: string
  readonly reason: string
}

/** What the monitor lends to an extractor. */
export interface ExtractorContext {
  /** Has the monitor report a label that the extractor leaves out. */
  readonly onRefusedLabel: (refused: RefusedLabel) => void
}

/**
 * The identity of a container, by what the engine knows of it. Undefined: it is no PU of its own. Rejecting refuses it, as a
 * resolver's error would. Asked again when the container's networks change.
 */
export type ContainerExtractor = (
  container: ContainerInspection,
  context: ExtractorContext,
) => ContainerPU | undefined | Promise<ContainerPU | undefined>
