import { describe, expect, it } from 'vitest'
import { ALLOW_ALL, newRunningStage, newStartedStage, PUSHED, RESOLVED } from './trireme.fixture.js'

/** Asserts that a promise rejects with errors of these steps: one alone, several in an `AggregateError`. */
async function expectFailure(work: Promise<void>, ...failed: string[]): Promise<void> {
  const messages = failed.map(step => `${step} failed`)
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const errors = error instanceof AggregateError ? error.errors : [error]
  expect(errors.map(({ message }: Error) => message)).toEqual(messages)
}

describe('a start that fails', () => {
  it.each<[string, string[], string[]]>([
    ['hear start', [], []],
    ['resolve', ['resolve'], []],
    ['enforce resolved', ['resolve', 'enforce resolved'], ['unenforce']],
    ['supervise resolved', ['resolve', 'enforce resolved', 'supervise resolved'], ['unenforce']],
  ])('in "%s" undoes what was done', async (fault, done, undone) => {
    const { trireme, faults, collector, steps } = await newStartedStage()
    faults.add(fault)
    await expectFailure(trireme.handlePUEvent('web', 'start'), fault)
    expect(steps()).toEqual(['hear start', ...done, ...undone])
    expect(trireme.puInfos()).toEqual([])
    expect(collector.puRecords).toMatchObject([{ event: 'forcestop', reason: `${fault} failed` }])
    faults.clear()
    await trireme.handlePUEvent('web', 'start')
    expect(trireme.puInfos()).toHaveLength(1)
  })

  it.each(['enforce resolved', 'supervise resolved'])(
    'in "%s" and in its clean-up tells both',
    async fault => {
      const { trireme, faults, events } = await newStartedStage()
      faults.add(fault).add('unenforce')
      await expectFailure(trireme.handlePUEvent('web', 'start'), fault, 'unenforce')
      expect(events()).toEqual(['forcestop'])
    },
  )

  it('without an answer from the resolver is one without a policy', async () => {
    const { trireme, resolver, steps } = await newStartedStage()
    resolver.mockResolvePolicy(() => undefined as never)
    await expect(trireme.handlePUEvent('web', 'start')).rejects.toMatchObject({ code: 'ERR_NO_POLICY' })
    expect(steps()).toEqual(['hear start'])
  })

  it('of a PU that runs leaves in force what was', async () => {
    const { trireme, faults, resolver, events, steps } = await newRunningStage()
    resolver.mockResolvePolicy(() => PUSHED)
    faults.add('supervise pushed')
    await expectFailure(trireme.handlePUEvent('web', 'start'), 'supervise pushed')
    expect(steps()).toEqual(['hear start', 'enforce pushed', 'supervise pushed', 'enforce resolved'])
    expect(trireme.puInfos()).toMatchObject([{ policy: RESOLVED }])
    expect(events()).toEqual(['start', 'forcestop'])
  })
})

describe('an update that fails', () => {
  it.each(['enforce pushed', 'supervise pushed'])('in "%s" leaves the old policy in force', async fault => {
    const { trireme, faults, collector, steps } = await newRunningStage()
    faults.add(fault)
    await expectFailure(trireme.updatePolicy('web', PUSHED), fault)
    const tried = ['enforce pushed', 'supervise pushed']
    expect(steps()).toEqual([...tried.slice(0, tried.indexOf(fault) + 1), 'enforce resolved'])
    expect(trireme.puInfos()).toMatchObject([{ policy: RESOLVED }])
    expect(collector.puRecords.at(-1)).toMatchObject({ event: 'update', reason: `${fault} failed` })
  })

  it('points the rules at the old policy’s queue where that has moved', async () => {
    const { trireme, faults, isolator, steps } = await newRunningStage()
    faults.add('supervise pushed')
    isolator.enforcer.mockEnforce(async () => ({ queueNumber: 4098, epoch: 0 }))
    await expectFailure(trireme.updatePolicy('web', PUSHED), 'supervise pushed')
    expect(steps()).toEqual(['supervise pushed', 'supervise resolved'])
    expect(isolator.supervisor.calls.at(-1)?.args[1]).toEqual({ queueNumber: 4098, epoch: 0 })
  })

  it('and cannot restore the old policy leaves the traps, which deny, and tells both', async () => {
    const { trireme, faults, steps } = await newRunningStage()
    faults.add('supervise pushed').add('enforce resolved')
    await expectFailure(trireme.updatePolicy('web', PUSHED), 'supervise pushed', 'enforce resolved')
    expect(steps()).toEqual(['enforce pushed', 'supervise pushed', 'enforce resolved'])
    await trireme.handlePUEvent('web', 'stop')
    expect(steps()).toEqual(['hear stop', 'unsupervise', 'unenforce'])
  })

  it.each([
    ['unsupervise', ['unsupervise']],
    ['unenforce', ['unsupervise', 'unenforce']],
  ])('on the way to allow-all in "%s" puts everything back', async (fault, tried) => {
    const { trireme, faults, steps } = await newRunningStage()
    faults.add(fault)
    await expectFailure(trireme.updatePolicy('web', ALLOW_ALL), fault)
    expect(steps()).toEqual([...tried, 'enforce resolved', 'supervise resolved'])
    expect(trireme.puInfos()).toMatchObject([{ policy: RESOLVED }])
  })

  it('on the way from allow-all leaves nothing installed', async () => {
    const { trireme, faults, steps } = await newRunningStage()
    await trireme.updatePolicy('web', ALLOW_ALL)
    steps()
    faults.add('supervise pushed')
    await expectFailure(trireme.updatePolicy('web', PUSHED), 'supervise pushed')
    expect(steps()).toEqual(['enforce pushed', 'supervise pushed', 'unenforce'])
    expect(trireme.puInfos()).toMatchObject([{ policy: ALLOW_ALL }])
  })
})

describe('a stop that fails', () => {
  it.each([[['unsupervise']], [['unenforce']], [['unsupervise', 'unenforce']]])(
    'in %j attempts both steps, and may be tried again',
    async broken => {
      const { trireme, faults, collector, steps } = await newRunningStage()
      for (const fault of broken) faults.add(fault)
      await expectFailure(trireme.handlePUEvent('web', 'stop'), ...broken)
      expect(steps()).toEqual(['hear stop', 'unsupervise', 'unenforce'])
      expect(collector.puRecords.at(-1)).toMatchObject({ event: 'stop', reason: expect.any(String) })
      faults.clear()
      await trireme.handlePUEvent('web', 'stop')
      expect(steps()).toEqual(['hear stop', 'unsupervise', 'unenforce'])
      expect(trireme.puInfos()).toEqual([])
    },
  )

  it('because the resolver threw has taken enforcement down nevertheless', async () => {
    const { trireme, faults, steps } = await newRunningStage()
    faults.add('hear stop')
    await expectFailure(trireme.handlePUEvent('web', 'stop'), 'hear stop')
    expect(steps()).toEqual(['hear stop', 'unsupervise', 'unenforce'])
    expect(trireme.puInfos()).toEqual([])
  })

  it('as part of destroy keeps the PU known', async () => {
    const { trireme, faults } = await newRunningStage()
    faults.add('unenforce')
    await expectFailure(trireme.handlePUEvent('web', 'destroy'), 'unenforce')
    expect(trireme.puRuntime('web').name).toBe('web')
    faults.clear()
    await trireme.handlePUEvent('web', 'destroy')
    expect(() => trireme.puRuntime('web')).toThrow(/PU web/)
  })
})

it('a collector that throws changes nothing', async () => {
  const { trireme, collector, steps } = await newStartedStage()
  collector.mockCollectPUEvent(() => {
    throw new Error('disk full')
  })
  await trireme.handlePUEvent('web', 'start')
  expect(steps()).toHaveLength(4)
})

it('an event that changes nothing rejects when the resolver throws', async () => {
  const { trireme, faults, collector } = await newRunningStage()
  faults.add('hear pause')
  await expectFailure(trireme.handlePUEvent('web', 'pause'), 'hear pause')
  expect(collector.puRecords.at(-1)).toMatchObject({ event: 'pause', reason: 'hear pause failed' })
})
