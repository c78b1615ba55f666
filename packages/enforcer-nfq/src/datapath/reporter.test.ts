import { type PUPolicy, parseTag, shortenTags } from '@trireme/core'
import { newTestCollector, testPolicy, testRuntime } from '@trireme/core/testing'
import { expect, it } from 'vitest'
import { rejected } from './decisions.js'
import { PUContext } from './pu-context.js'
import { Reporter } from './reporter.js'

it('records 200 refused strangers a second, 50 refusals of each peer with an identity, and counts the others', () => {
  const collector = newTestCollector()
  let nowMs = 0
  const reporter = new Reporter(collector, () => nowMs)
  const pu = new PUContext({ contextID: 'web', runtime: testRuntime(), policy: testPolicy() })
  const key = '\0'.repeat(36)
  const stranger = { pu, decision: rejected('token'), role: 'server', key } as const
  const claims = { issuer: 'host-b', puID: 'batch', tags: [] }
  for (let count = 0; count < 1_000; count++) {
    reporter.report(stranger)
    if (count % 2 === 0) reporter.report({ ...stranger, peer: { claims } })
  }
  expect(collector.flowRecords.filter(({ source }) => source.id === '')).toHaveLength(200)
  expect(collector.flowRecords.filter(({ source }) => source.id === 'batch')).toHaveLength(50)
  expect(pu.counters.snapshot()).toMatchObject({ rejected: 1_500, unreported: 1_250 })
  nowMs = 1_000
  reporter.report(stranger)
  expect(collector.flowRecords).toHaveLength(251)
  // What was left out is not lost: the peer's next record counts it.
  reporter.report({ ...stranger, peer: { claims } })
  expect(collector.flowRecords.at(-1)).toMatchObject({ source: { id: 'batch' }, count: 451 })
  const { reason, role } = { reason: 'token', role: 'server' }
  expect(reporter.repeatedRefusals()).toMatchObject([
    { contextID: 'web', role, issuer: '', reason, count: 1001, address: '::' },
    { contextID: 'web', role, issuer: 'host-b', reason, count: 501 },
  ])
})

it('shows of tags that travelled shortened those that the rules list, and how many there are besides', () => {
  const collector = newTestCollector()
  const policy: PUPolicy = {
    ...testPolicy(),
    receiverRules: [
      { name: 'r', action: 'accept', clauses: [{ key: 'app', operator: '=', values: ['web', 'db'] }] },
      { name: 's', action: 'accept', clauses: [{ key: 'env', operator: '=', values: ['pr*'] }] },
    ],
  }
  const pu = new PUContext({ contextID: 'web', runtime: testRuntime(), policy })
  const carried = [parseTag('app=web'), parseTag('env=prod'), parseTag('team=x')]
  const claims = { issuer: 'host-b', puID: 'batch', tags: [], shortTags: shortenTags(carried) }
  const decision = { verdict: 'accept', reason: '', rule: 'r', observed: false } as const
  new Reporter(collector, () => 0).report({
    pu,
    peer: { claims },
    decision,
    role: 'server',
    key: '\0'.repeat(36),
  })
  expect(collector.flowRecords[0]?.source).toMatchObject({ tags: [parseTag('app=web')], unreadTags: 2 })
})

it('counts what the other end refused beside what was rejected here', () => {
  const reporter = new Reporter(newTestCollector(), () => 0)
  const pu = new PUContext({ contextID: 'web', runtime: testRuntime(), policy: testPolicy() })
  const key = '\0'.repeat(36)
  for (const reason of ['refused', 'policy'] as const)
    reporter.report({ pu, decision: rejected(reason), role: 'client', key })
  expect(pu.counters.snapshot()).toEqual({ refused: 1, rejected: 2 })
})

it('names what is refused again and again, however many addresses strangers make up', () => {
  const reporter = new Reporter(newTestCollector(), () => 0)
  const pu = new PUContext({ contextID: 'web', runtime: testRuntime(), policy: testPolicy() })
  const key = '\0'.repeat(36)
  for (let times = 0; times < 3; times++)
    reporter.report({ pu, decision: rejected('clock'), role: 'client', key })
  for (let address = 0; address < 10_000; address++) {
    const bytes = Buffer.alloc(36)
    bytes.writeUInt32BE(address, 12)
    reporter.report({ pu, decision: rejected('token'), role: 'server', key: bytes.toString('latin1') })
  }
  const refusals = reporter.repeatedRefusals()
  expect(refusals[0]).toMatchObject({ role: 'client', reason: 'clock', count: 3 })
  expect(refusals.length).toBeLessThanOrEqual(1 + 1024)
})
