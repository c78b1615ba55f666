import { expect, it } from 'vitest'
import { testPolicy, testRuntime } from './testing/sample-data.js'
import { newRunningStage, PUSHED, RESOLVED } from './trireme.fixture.js'

it('puts in force what the resolver answers now, where it differs', async () => {
  const { trireme, resolver, events, steps } = await newRunningStage()
  trireme.setPURuntime('same', testRuntime())
  await trireme.handlePUEvent('same', 'start')
  trireme.setPURuntime('idle', testRuntime())
  steps()
  resolver.mockResolvePolicy(contextID => (contextID === 'web' ? PUSHED : RESOLVED))
  expect(await trireme.refreshPolicies()).toEqual(['web'])
  expect(steps()).toEqual(['enforce pushed', 'supervise pushed'])
  expect(events().at(-1)).toBe('update')
  expect(trireme.puInfos().map(({ policy }) => policy.managementID)).toEqual(['pushed', 'resolved'])
  expect(await trireme.refreshPolicies()).toEqual([])
  expect(steps()).toEqual([])
})

it('reaches a PU whose start is under way with the earlier policy', async () => {
  const { trireme, resolver } = await newRunningStage()
  await trireme.handlePUEvent('web', 'stop')
  const started = trireme.handlePUEvent('web', 'start')
  await new Promise(resolve => setImmediate(resolve))
  resolver.mockResolvePolicy(() => PUSHED)
  expect(await trireme.refreshPolicies()).toEqual(['web'])
  await started
  expect(trireme.puInfos()).toMatchObject([{ policy: { managementID: 'pushed' } }])
})

it('compares the policy as it is in force, closed ports and all', async () => {
  const { trireme, steps } = await newRunningStage()
  trireme.setPURuntime('web', { ...testRuntime(), closedPorts: [{ first: 80, last: 80 }] })
  await trireme.handlePUEvent('web', 'start')
  steps()
  expect(await trireme.refreshPolicies()).toEqual([])
  expect(steps()).toEqual(['resolve'])
})

it('changes the others where one fails, which keeps its policy and says why', async () => {
  const { trireme, resolver, collector } = await newRunningStage()
  trireme.setPURuntime('bad', testRuntime())
  await trireme.handlePUEvent('bad', 'start')
  resolver.mockResolvePolicy(contextID =>
    contextID === 'bad' ? testPolicy({ action: 'none' as unknown as 'police' }) : PUSHED,
  )
  await expect(trireme.refreshPolicies()).rejects.toMatchObject({ code: 'ERR_POLICY' })
  expect(trireme.puInfos().map(({ policy }) => policy.managementID)).toEqual(['pushed', 'resolved'])
  expect(
    collector.puRecords.some(
      ({ contextID, event, reason }) => contextID === 'bad' && event === 'update' && reason,
    ),
  ).toBe(true)
})
