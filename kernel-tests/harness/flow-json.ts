import type { FlowEndpoint, FlowRecord } from '@trireme/core'

/** A flow record as a line of `trireme flows --json` has it: tags as `key=value`. */
export interface FlowJSON extends Omit<FlowRecord, 'source' | 'destination'> {
  readonly source: FlowEndJSON
  readonly destination: FlowEndJSON
}

export interface FlowEndJSON extends Omit<FlowEndpoint, 'tags'> {
  readonly tags: readonly string[]
}
