import { describe, expect, it } from 'vitest'
import { newTestIsolator, newTestPolicyResolver } from './testing/plugin-doubles.js'
import { testRuntime } from './testing/sample-data.js'
import { newRunningStage, newStage, PUSHED } from './trireme.fixture.js'
import { newTrireme } from './trireme.js'

describe('the life of trireme', () => {
  it('enforcers start before supervisors and stop after them; it starts again after a stop', async () => {
    const { trireme, steps } = newStage()
    for (let round = 0; round < 2; round += 1) {
      await trireme.start()
      expect(steps()).toEqual(['start enforcer', 'start supervisor'])
      await trireme.stop()
      await trireme.stop()
      expect(steps()).toEqual(['stop supervisor', 'stop enforcer'])
    }
  })

  it.each([
    ['start enforcer', []],
    ['start supervisor', ['stop enforcer']],
  ])('a start that fails in "%s" takes down what it began', async (fault, undone) => {
    const { trireme, faults, steps } = newStage()
    faults.add(fault)
    await expect(trireme.start()).rejects.toThrow(`${fault} failed`)
    expect(steps().filter(step => step.startsWith('stop'))).toEqual(undone)
    faults.clear()
    await trireme.start()
  })

  it('a start whose clean-up fails too tells both', async () => {
    const { trireme, faults } = newStage()
    faults.add('start supervisor').add('stop enforcer')
    await expect(trireme.start()).rejects.toBeInstanceOf(AggregateError)
  })

  it('a stop that fails stops the rest, and may be tried again', async () => {
    const { trireme, faults, steps } = newStage()
    await trireme.start()
    steps()
    faults.add('stop supervisor')
    await expect(trireme.stop()).rejects.toThrow('stop supervisor failed')
    expect(steps()).toEqual(['stop supervisor', 'stop enforcer'])
    await expect(trireme.start()).rejects.toMatchObject({ code: 'ERR_ALREADY_STARTED' })
    faults.clear()
    await trireme.stop()
    await trireme.start()
  })

  it('a second start is refused', async () => {
    const { trireme } = newStage()
    await trireme.start()
    await expect(trireme.start()).rejects.toMatchObject({ code: 'ERR_ALREADY_STARTED' })
  })

  it('leaving an `await using` block stops it', async () => {
    const { trireme, steps } = newStage()
    {
      await using started = trireme
      await started.start()
    }
    expect(steps().slice(-2)).toEqual(['stop supervisor', 'stop enforcer'])
  })

  it('nothing is enforced before start or after stop', async () => {
    const { trireme, events, steps } = newStage()
    const refused = { code: 'ERR_NOT_STARTED' }
    await expect(trireme.handlePUEvent('web', 'start')).rejects.toMatchObject(refused)
    await expect(trireme.updatePolicy('web', PUSHED)).rejects.toMatchObject(refused)
    await expect(trireme.reconcile()).rejects.toMatchObject(refused)
    await trireme.start()
    await trireme.handlePUEvent('web', 'start')
    await trireme.stop()
    expect(trireme.puInfos()).toEqual([])
    steps()
    await expect(trireme.handlePUEvent('web', 'start')).rejects.toMatchObject(refused)
    await trireme.handlePUEvent('web', 'stop')
    expect(steps()).toEqual(['hear start', 'hear stop'])
    expect(events()).toEqual(['forcestop', 'start', 'forcestop', 'stop'])
  })

  it('a stop waits for events under way', async () => {
    const { trireme, steps } = await newRunningStage()
    const update = trireme.updatePolicy('web', PUSHED)
    await new Promise(resolve => setImmediate(resolve))
    await Promise.all([update, trireme.stop()])
    expect(steps()).toEqual(['enforce pushed', 'supervise pushed', 'stop supervisor', 'stop enforcer'])
  })

  it('reconcile waits for the events that were reported before it', async () => {
    const { trireme, steps } = await newRunningStage()
    const update = trireme.updatePolicy('web', PUSHED)
    await Promise.all([trireme.reconcile(), update])
    expect(steps()).toEqual(['enforce pushed', 'supervise pushed', 'reconcile'])
  })
})

describe('parts that kinds share', () => {
  it('are started, reconciled and stopped once each', async () => {
    const shared = newTestIsolator()
    const own = { enforcer: shared.enforcer, supervisor: newTestIsolator().supervisor }
    const isolators = { container: shared, 'linux-process': shared, 'user-session': own }
    const trireme = newTrireme({ serverID: 'host-a', resolver: newTestPolicyResolver(), isolators })
    await trireme.start()
    await trireme.reconcile()
    await trireme.stop()
    expect(shared.enforcer.calls.map(({ method }) => method)).toEqual(['start', 'stop'])
    expect(shared.supervisor.calls.map(({ method }) => method)).toEqual(['start', 'reconcile', 'stop'])
    expect(own.supervisor.calls.map(({ method }) => method)).toEqual(['start', 'reconcile', 'stop'])
    expect(trireme.supervisor('user-session')).toBe(own.supervisor)
  })

  it('serve the PUs of every kind', async () => {
    const shared = newTestIsolator()
    const isolators = { container: shared, 'linux-process': shared }
    const trireme = newTrireme({ serverID: 'host-a', resolver: newTestPolicyResolver(), isolators })
    await trireme.start()
    for (const kind of ['container', 'linux-process'] as const) {
      trireme.setPURuntime(kind, testRuntime({ kind }))
      await trireme.handlePUEvent(kind, 'start')
    }
    expect(trireme.puInfos().map(({ contextID }) => contextID)).toEqual(['container', 'linux-process'])
  })
})

it('an empty server ID is refused', () => {
  expect(() => newTrireme({ serverID: '', resolver: newTestPolicyResolver(), isolators: {} })).toThrow(
    expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining('serverID') }),
  )
})
