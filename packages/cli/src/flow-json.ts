import { type FlowEndpoint, type FlowRecord, formatTag } from '@trireme/core'

/** A flow's end as JSON shows it: tags as `key=value`. */
export interface FlowEndpointJSON extends Omit<FlowEndpoint, 'tags'> {
  readonly tags: readonly string[]
}

/** A flow record as the control socket and `trireme flows --json` show it, one object a line. */
export interface FlowJSON extends Omit<FlowRecord, 'source' | 'destination'> {
  readonly source: FlowEndpointJSON
  readonly destination: FlowEndpointJSON
}

export function flowJSON(record: FlowRecord): FlowJSON {
  return { ...record, source: endpointJSON(record.source), destination: endpointJSON(record.destination) }
}

function endpointJSON(endpoint: FlowEndpoint): FlowEndpointJSON {
  return { ...endpoint, tags: endpoint.tags.map(formatTag) }
}
