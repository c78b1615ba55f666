import { expect, it } from 'vitest'
import { NameServerWatch } from './name-server-watch.js'
import { type ManualClock, manualClock } from './testing/manual-clock.js'
import { newTestCollector, newTestIsolator, newTestPolicyResolver } from './testing/plugin-doubles.js'
import { testPolicy, testRuntime } from './testing/sample-data.js'
import { newTrireme } from './trireme.js'

function newStage(clock: ManualClock = manualClock()) {
  const state = { servers: ['192.0.2.53'] as readonly string[], reads: 0 }
  const resolver = newTestPolicyResolver()
  resolver.mockResolvePolicy(() => testPolicy({ dns: 'allow', warnings: ['mind the gap'] }))
  const collector = newTestCollector()
  const trireme = newTrireme({
    serverID: 'host-a',
    resolver,
    isolators: { 'linux-process': newTestIsolator() },
    collector,
    clock,
    nameServersOf: () => {
      state.reads += 1
      return state.servers
    },
  })
  trireme.setPURuntime('web', testRuntime())
  const networks = () => trireme.puInfos()[0]?.policy.applicationACLs.map(rule => rule.networks)
  return { trireme, collector, clock, state, networks }
}

it('dns: allow follows the name servers of the PU, and gives up none for a moment without any', async () => {
  const { trireme, collector, clock, state, networks } = newStage()
  await trireme.start()
  await trireme.handlePUEvent('web', 'start')
  expect(networks()).toEqual([['192.0.2.53/32'], ['192.0.2.53/32']])
  expect(collector.puRecords.at(-1)).toMatchObject({ event: 'start', warnings: ['mind the gap'] })
  state.servers = []
  clock.advance(5_000)
  expect(networks()).toEqual([['192.0.2.53/32'], ['192.0.2.53/32']])
  state.servers = ['192.0.2.54', '::1']
  clock.advance(5_000)
  await expect.poll(networks).toEqual([
    ['192.0.2.54/32', '::1/128'],
    ['192.0.2.54/32', '::1/128'],
  ])
  expect(collector.puRecords.at(-1)?.event).toBe('update')
  await trireme.updatePolicy('web', testPolicy({ dns: 'deny' }))
  expect(networks()).toEqual([])
  const { reads } = state
  clock.advance(60_000)
  expect(state.reads).toBe(reads)
  await trireme.stop()
})

it('no file is read for a PU that has ended', async () => {
  const { trireme, clock, state } = newStage()
  await trireme.start()
  await trireme.handlePUEvent('web', 'start')
  await trireme.handlePUEvent('web', 'stop')
  const { reads } = state
  clock.advance(60_000)
  expect(state.reads).toBe(reads)
})

it('a reload changes nothing for a PU whose policy allows DNS and is the same', async () => {
  const { trireme } = newStage()
  await trireme.start()
  await trireme.handlePUEvent('web', 'start')
  expect(await trireme.refreshPolicies()).toEqual([])
  await trireme.stop()
})

it('reads the files of a thousand PUs in slices', async () => {
  const clock = manualClock()
  const reads: string[] = []
  const watch = new NameServerWatch(
    clock,
    () => {
      reads.push('read')
      return []
    },
    () => {},
  )
  for (let index = 0; index < 1000; index++) watch.watch(`pu-${index}`, testRuntime())
  const perTurn: number[] = []
  const turn = (callback: () => void) => () => {
    reads.length = 0
    callback()
    perTurn.push(reads.length)
  }
  const { setTimer } = clock
  clock.setTimer = (callback, delayMs) => setTimer(turn(callback), delayMs)
  clock.advance(10_000)
  watch.stop()
  expect(Math.max(...perTurn)).toBeLessThanOrEqual(64)
  expect(perTurn.reduce((sum, each) => sum + each, 0)).toBeGreaterThanOrEqual(1000)
})
