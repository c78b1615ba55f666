import { isIPv6 } from 'node:net'
import { isReservedTagKey } from '@trireme/core'
import { flowHint } from './flow-hints.js'
import type { FlowEndpointJSON, FlowJSON } from './flow-json.js'
import type { MergedFlow } from './merge-views.js'
import { printable } from './printable.js'

/** A flow record, or a connection, in one line for people: time, verdict, who to whom, and by which rule or for which reason. */
export function flowLine(flow: FlowJSON | MergedFlow): string {
  const verdict = flow.observed ? `${flow.verdict} (observed)` : flow.verdict
  const would = flow.wouldReject === undefined ? '' : ` (${flow.wouldReject} would deny it)`
  const why = [reasonOf(flow), otherEnd(flow)].filter(Boolean).join('; ') + would
  const times = flow.count > 1 ? `  ×${flow.count}` : ''
  const protocol = flow.protocol ? `${flow.protocol} ` : ''
  const line = `${flow.time}  ${verdict.padEnd(6)}  ${protocol}${endpoint(flow.source)} → ${endpoint(flow.destination)}  ${why}${times}`
  return printable(line.trimEnd())
}

function reasonOf(flow: FlowJSON): string {
  const hint = flowHint(flow)
  const reason = [flow.reason, flow.rule].filter(Boolean).join(': ')
  return hint === undefined ? reason : `${reason} (${hint})`
}

function otherEnd({ ends, otherEnd }: Partial<MergedFlow>): string {
  if (otherEnd) return `the other end: ${otherEnd.verdict} ${reasonOf(otherEnd)}`.trimEnd()
  return ends === 2 ? 'both ends' : ''
}

function endpoint({ id, ip, port, tags }: FlowEndpointJSON): string {
  const address = isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`
  const identity = id === '' ? 'no identity' : [id, ...tags.filter(tag => !isReservedTagKey(tag))].join(' ')
  return `${address} (${identity})`
}
