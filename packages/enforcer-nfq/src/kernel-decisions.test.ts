import type { FlowRecord, PUPolicy } from '@trireme/core'
import { formatKernelDecision, type KernelDecision } from '@trireme/core'
import { newTestCollector, testPolicy, testRuntime } from '@trireme/core/testing'
import { describe, expect, it } from 'vitest'
import { PUContext } from './datapath/pu-context.js'
import { Reporter } from './datapath/reporter.js'
import { reportKernelDecision } from './kernel-decisions.js'
import { readEnds } from './packet/logged-packet.js'
import { buildIp } from './testing/build-ip.js'

const office = { networks: ['192.0.2.0/24'], ports: [], protocol: 'udp', action: 'accept' } as const
const guests = { ...office, name: 'no-guests', networks: ['192.0.2.128/25'], action: 'reject' } as const
const networkACLs = [{ ...office, name: 'from-office' }, guests]

function report(
  outcome: KernelDecision['outcome'],
  { source = '192.0.2.1', policy = {} }: { source?: string; policy?: Partial<PUPolicy> } = {},
) {
  const records: FlowRecord[] = []
  const collector = {
    ...newTestCollector(),
    collectFlowEvent: (record: FlowRecord) => void records.push(record),
  }
  const pu = new PUContext({
    contextID: 'web',
    runtime: testRuntime(),
    policy: { ...testPolicy(), networkACLs, ...policy },
  })
  const { bytes, segmentStart } = buildIp({ source, destination: '192.0.2.2' }, 17, 8)
  bytes.set([0x9c, 0x40, 0, 53], segmentStart)
  const ends = readEnds(bytes, 0, bytes.length)!
  reportKernelDecision(new Reporter(collector, () => 0), { pu, outcome, ends, side: 'net' })
  return { records, counters: pu.counters.snapshot() }
}

describe('what the kernel decided alone', () => {
  it('is reported with the rule, and counted', () => {
    const { records, counters } = report('accept')
    expect(records).toMatchObject([
      {
        protocol: 'udp',
        source: { id: '', ip: '192.0.2.1', port: 40_000 },
        destination: { ip: '192.0.2.2', port: 53 },
        ...{ verdict: 'accept', reason: '', rule: 'from-office', observed: false },
      },
    ])
    expect(counters).toEqual({ accepted: 1 })
  })

  it('names the rule that denied, or the default', () => {
    const rejected = { verdict: 'reject', reason: 'policy', observed: false }
    const { records, counters } = report('drop.policy', { source: '192.0.2.200' })
    expect(records).toMatchObject([{ ...rejected, rule: 'no-guests' }])
    expect(counters).toEqual({ 'drop.policy': 1, rejected: 1 })
    const other = report('drop.policy', { source: '198.51.100.1' })
    expect(other.records).toMatchObject([{ ...rejected, rule: 'default deny' }])
  })

  it('says what was only observed', () => {
    const { records, counters } = report('observe', { source: '192.0.2.200', policy: { mode: 'observe' } })
    expect(records).toMatchObject([
      { verdict: 'accept', reason: 'policy', rule: 'no-guests', observed: true },
    ])
    expect(counters).toEqual({ observed: 1 })
  })

  it('stands where the policy says otherwise by now', () => {
    const { records } = report('accept', { source: '192.0.2.200' })
    expect(records).toMatchObject([{ verdict: 'accept', reason: '', rule: '', observed: false }])
  })

  it('is counted alone where it is no decision over a connection', () => {
    expect(report('drop.state')).toEqual({ records: [], counters: { 'drop.state': 1 } })
    expect(report('drop.mid-stream').records).toMatchObject([{ verdict: 'reject', reason: 'mid-stream' }])
  })

  it('fits a prefix', () => {
    expect(formatKernelDecision({ queueNumber: 4097, outcome: 'drop.policy' })).toBe('4097-drop.policy')
  })
})
