import { isIPv6 } from 'node:net'
import { isReservedTagKey } from '@trireme/core'
import type { FlowEndpointJSON, FlowJSON } from './flow-json.js'
import { printable } from './printable.js'

/** A flow record in one line for people: time, verdict, who to whom, and by which rule or for which reason. */
export function flowLine(flow: FlowJSON): string {
  const verdict = flow.observed ? `${flow.verdict} (observed)` : flow.verdict
  const would = flow.wouldReject === undefined ? '' : ` (${flow.wouldReject} would deny it)`
  const why = [flow.reason, flow.rule].filter(Boolean).join(': ') + would
  const times = flow.count > 1 ? `  ×${flow.count}` : ''
  const protocol = flow.protocol ? `${flow.protocol} ` : ''
  const line = `${flow.time}  ${verdict.padEnd(6)}  ${protocol}${endpoint(flow.source)} → ${endpoint(flow.destination)}  ${why}${times}`
  return printable(line.trimEnd())
}

function endpoint({ id, ip, port, tags }: FlowEndpointJSON): string {
  const address = isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`
  const identity = id === '' ? 'no identity' : [id, ...tags.filter(tag => !isReservedTagKey(tag))].join(' ')
  return `${address} (${identity})`
}
