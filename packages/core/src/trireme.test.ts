import { describe, expect, it } from 'vitest'
import type { PUPolicy } from './policy.js'
import type { PUEvent } from './pu.js'
import { newTestIsolator, newTestPolicyResolver, newTestSecrets } from './testing/plugin-doubles.js'
import { testPolicy, testRuntime } from './testing/sample-data.js'
import { newTestTokenEngine } from './testing/test-token-engine.js'
import { ALLOW_ALL, newRunningStage, newStartedStage, PUSHED, RESOLVED } from './trireme.fixture.js'
import { newTrireme } from './trireme.js'

const UP = ['hear start', 'resolve', 'enforce resolved', 'supervise resolved']

describe('a PU', () => {
  it('starts by resolve, enforce, supervise, and is recorded with its annotations', async () => {
    const { trireme, collector, isolator, steps } = await newStartedStage()
    await trireme.handlePUEvent('web', 'start')
    expect(steps()).toEqual(UP)
    const pu = { contextID: 'web', runtime: testRuntime(), policy: RESOLVED }
    expect(isolator.supervisor.calls.at(-1)?.args).toEqual([pu, { queueNumber: 4097, epoch: 0 }])
    expect(trireme.puInfos()).toEqual([pu])
    const tags = RESOLVED.annotations
    expect(collector.puRecords).toEqual([
      { time: '2030-01-01T00:00:00.000Z', contextID: 'web', event: 'start', tags },
    ])
  })

  it('that starts again is enforced anew, without a gap', async () => {
    const { trireme, steps } = await newRunningStage()
    await trireme.handlePUEvent('web', 'start')
    expect(steps()).toEqual(UP)
    expect(trireme.puInfos()).toHaveLength(1)
  })

  it('stops in the reverse order; its runtime stays until it is destroyed', async () => {
    const { trireme, events, steps } = await newRunningStage()
    await trireme.handlePUEvent('web', 'stop')
    expect(steps()).toEqual(['hear stop', 'unsupervise', 'unenforce'])
    expect(trireme.puInfos()).toEqual([])
    expect(trireme.puRuntime('web')).toEqual(testRuntime())
    await trireme.handlePUEvent('web', 'stop')
    await trireme.handlePUEvent('web', 'destroy')
    expect(steps()).toEqual(['hear stop', 'hear destroy'])
    expect(events()).toEqual(['start', 'stop', 'stop', 'destroy'])
    expect(() => trireme.puRuntime('web')).toThrow(expect.objectContaining({ code: 'ERR_PU_UNKNOWN' }))
  })

  it('that is destroyed without a stop is taken down', async () => {
    const { trireme, steps } = await newRunningStage()
    await trireme.handlePUEvent('web', 'destroy')
    expect(steps()).toEqual(['hear destroy', 'unsupervise', 'unenforce'])
    expect(trireme.puInfos()).toEqual([])
  })

  it('is unchanged by all other events, which the resolver hears', async () => {
    const { trireme, events, steps } = await newRunningStage()
    for (const event of ['create', 'pause', 'unpause'] as const) await trireme.handlePUEvent('web', event)
    expect(steps()).toEqual(['hear create', 'hear pause', 'hear unpause'])
    expect(events()).toEqual(['start', 'create', 'pause', 'unpause'])
    expect(trireme.puInfos()).toHaveLength(1)
  })

  it('whose policy allows all is ignored', async () => {
    const { trireme, resolver, events, steps } = await newStartedStage()
    resolver.mockResolvePolicy(() => ALLOW_ALL)
    await trireme.handlePUEvent('web', 'start')
    expect(trireme.puInfos()).toMatchObject([{ policy: ALLOW_ALL }])
    await trireme.handlePUEvent('web', 'stop')
    expect(steps()).toEqual(['hear start', 'hear stop'])
    expect(events()).toEqual(['ignore', 'stop'])
  })

  it('that no monitor reported is refused, and heard of nevertheless', async () => {
    const { trireme, collector, steps } = await newStartedStage()
    const unknown = expect.objectContaining({ code: 'ERR_PU_UNKNOWN' })
    await expect(trireme.handlePUEvent('ghost', 'start')).rejects.toThrow(unknown)
    await expect(trireme.handlePUEvent('ghost', 'stop')).rejects.toThrow(unknown)
    await expect(trireme.updatePolicy('ghost', PUSHED)).rejects.toThrow(unknown)
    await expect(trireme.updatePolicy('web', PUSHED)).rejects.toThrow(/PU web: expected a running PU/)
    expect(steps()).toEqual(['hear start', 'hear stop'])
    expect(collector.puRecords.map(({ event, reason }) => [event, typeof reason])).toEqual(
      Array.from({ length: 4 }, () => ['unknown', 'string']),
    )
    for (const event of ['create', 'destroy'] as const) await trireme.handlePUEvent('ghost', event)
  })

  it('of a kind that is not isolated here is refused', async () => {
    const { trireme, events } = await newStartedStage()
    trireme.setPURuntime('box', testRuntime({ kind: 'container' }))
    await expect(trireme.handlePUEvent('box', 'start')).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_UNSUPPORTED_KIND',
        message: expect.stringContaining('linux-process'),
      }),
    )
    expect(events()).toEqual(['forcestop'])
    expect(trireme.supervisor('container')).toBeUndefined()
  })

  it('keeps its kind while it runs', async () => {
    const { isolator, resolver } = await newStartedStage()
    const isolators = { 'linux-process': isolator, container: { ...isolator } }
    const trireme = newTrireme({ serverID: 'host-a', resolver, isolators })
    await trireme.start()
    trireme.setPURuntime('web', testRuntime())
    await trireme.handlePUEvent('web', 'start')
    trireme.setPURuntime('web', testRuntime({ kind: 'container' }))
    await expect(trireme.handlePUEvent('web', 'start')).rejects.toThrow(/runs as linux-process/)
    expect(trireme.puInfos()).toMatchObject([{ runtime: { kind: 'linux-process' } }])
    await trireme.handlePUEvent('web', 'stop')
    await trireme.handlePUEvent('web', 'start')
    expect(trireme.puInfos()).toMatchObject([{ runtime: { kind: 'container' } }])
  })
})

describe('updatePolicy', () => {
  it('replaces the policy as a whole', async () => {
    const { trireme, events, steps } = await newRunningStage()
    await trireme.updatePolicy('web', PUSHED)
    expect(steps()).toEqual(['enforce pushed', 'supervise pushed'])
    expect(trireme.puInfos()).toMatchObject([{ policy: PUSHED }])
    expect(events()).toEqual(['start', 'update'])
  })

  it('passes on in the record what the enforcer warns of', async () => {
    const { trireme, collector, isolator } = await newRunningStage()
    const warnings = ['rule a: a prefix']
    isolator.enforcer.mockEnforce(async () => ({ queueNumber: 4097, epoch: 0, warnings }))
    await trireme.updatePolicy('web', PUSHED)
    await trireme.handlePUEvent('web', 'start')
    await trireme.updatePolicy('web', ALLOW_ALL)
    expect(collector.puRecords.map(record => record.warnings)).toEqual([
      undefined,
      warnings,
      warnings,
      undefined,
    ])
  })

  it('to allow-all takes enforcement down, and back brings it up', async () => {
    const { trireme, events, steps } = await newRunningStage()
    await trireme.updatePolicy('web', ALLOW_ALL)
    await trireme.updatePolicy('web', ALLOW_ALL)
    expect(steps()).toEqual(['unsupervise', 'unenforce'])
    await trireme.updatePolicy('web', PUSHED)
    expect(steps()).toEqual(['enforce pushed', 'supervise pushed'])
    expect(events()).toEqual(['start', 'ignore', 'ignore', 'update'])
  })

  it.each<[string, Partial<PUPolicy>]>([
    ['receiver rules', { receiverRules: [{ name: 'r', clauses: [], action: 'accept' }] }],
    ['transmitter rules', { transmitterRules: [{ name: 'r', clauses: [], action: 'accept' }] }],
    [
      'application ACLs',
      { applicationACLs: [{ name: 'r', networks: [], ports: [], protocol: 'any', action: 'accept' }] },
    ],
    [
      'network ACLs',
      { networkACLs: [{ name: 'r', networks: [], ports: [], protocol: 'any', action: 'accept' }] },
    ],
    ['reserved tags', { identity: [{ key: '@sys:port', value: '80' }] }],
    ['action', { action: 'deny' as 'police' }],
    ['mode', { mode: 'off' as 'observe' }],
    ['denyWith', { denyWith: 'ignore' as 'drop' }],
  ])('refuses a policy with bad %s before anything is touched, as a start does', async (_, differences) => {
    const { trireme, resolver, events, steps } = await newRunningStage()
    const bad = testPolicy(differences)
    await expect(trireme.updatePolicy('web', bad)).rejects.toMatchObject({ code: 'ERR_POLICY' })
    resolver.mockResolvePolicy(() => bad)
    await expect(trireme.handlePUEvent('web', 'start')).rejects.toMatchObject({ code: 'ERR_POLICY' })
    expect(steps()).toEqual(['hear start'])
    expect(events()).toEqual(['start', 'update', 'forcestop'])
    expect(trireme.puInfos()).toMatchObject([{ policy: RESOLVED }])
  })
})

describe('setTargetNetworks', () => {
  it('reaches the enforcer before the supervisor', async () => {
    const { trireme, isolator } = await newStartedStage()
    const order: string[] = []
    isolator.enforcer.mockSetTargetNetworks(async networks => void order.push(`enforcer ${networks}`))
    isolator.supervisor.mockSetTargetNetworks(async networks => void order.push(`supervisor ${networks}`))
    await trireme.setTargetNetworks(['10.0.0.0/8'])
    expect(order).toEqual(['enforcer 10.0.0.0/8', 'supervisor 10.0.0.0/8'])
  })

  it('refuses what is no network, and changes nothing', async () => {
    const { trireme, isolator } = await newStartedStage()
    const before = isolator.enforcer.calls.length
    await expect(trireme.setTargetNetworks(['10.0.0.1'])).rejects.toMatchObject({ code: 'ERR_CONFIG' })
    expect(isolator.enforcer.calls.length).toBe(before)
    await trireme.stop()
    await expect(trireme.setTargetNetworks([])).rejects.toMatchObject({ code: 'ERR_NOT_STARTED' })
  })
})

describe('updateSecrets', () => {
  const suites = [{ secrets: newTestSecrets(), tokenEngine: newTestTokenEngine() }]

  it('reaches every enforcer once, and tells what one of them says', async () => {
    const shared = newTestIsolator()
    const other = newTestIsolator()
    const isolators = { 'linux-process': shared, container: shared, 'user-session': other }
    const trireme = newTrireme({ serverID: 'host-a', resolver: newTestPolicyResolver(), isolators })
    await trireme.updateSecrets(suites)
    for (const { enforcer } of [shared, other]) {
      expect(enforcer.calls).toEqual([{ method: 'updateSecrets', args: [suites] }])
    }
    const refusal = new Error('too large')
    shared.enforcer.mockUpdateSecrets(() => Promise.reject(refusal))
    await expect(trireme.updateSecrets(suites)).rejects.toBe(refusal)
    expect(other.enforcer.calls).toHaveLength(2)
  })

  it('changes nothing where an enforcer cannot', async () => {
    const able = newTestIsolator()
    const { updateSecrets: _, ...enforcer } = newTestIsolator().enforcer
    const isolators = { 'linux-process': able, container: { ...newTestIsolator(), enforcer } }
    const trireme = newTrireme({ serverID: 'host-a', resolver: newTestPolicyResolver(), isolators })
    await expect(trireme.updateSecrets(suites)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED_KIND' })
    expect(able.enforcer.calls).toEqual([])
  })
})

describe('order', () => {
  it('events and updates of one PU never interleave', async () => {
    const { trireme, steps } = await newStartedStage()
    await Promise.all([
      trireme.handlePUEvent('web', 'start'),
      trireme.updatePolicy('web', PUSHED),
      trireme.handlePUEvent('web', 'pause'),
      trireme.handlePUEvent('web', 'stop'),
      trireme.handlePUEvent('web', 'start'),
    ])
    expect(steps()).toEqual([
      ...UP,
      ...['enforce pushed', 'supervise pushed'],
      'hear pause',
      ...['hear stop', 'unsupervise', 'unenforce'],
      ...UP,
    ])
  })

  it('a PU does not wait for another', async () => {
    const { trireme, resolver } = await newStartedStage()
    let answer: (policy: PUPolicy) => void = () => {}
    const slow = new Promise<PUPolicy>(resolve => {
      answer = resolve
    })
    resolver.mockResolvePolicy(contextID => (contextID === 'web' ? slow : RESOLVED))
    trireme.setPURuntime('db', testRuntime({ name: 'db' }))
    const web = trireme.handlePUEvent('web', 'start')
    await trireme.handlePUEvent('db', 'start')
    expect(trireme.puInfos().map(({ contextID }) => contextID)).toEqual(['db'])
    answer(RESOLVED)
    await web
    expect(trireme.puInfos()).toHaveLength(2)
  })

  it('an event sees the runtime that was known when it was reported', async () => {
    const { trireme, resolver } = await newStartedStage()
    const later = testRuntime({ name: 'web-2' })
    const first = trireme.handlePUEvent('web', 'start')
    const destroyed = trireme.handlePUEvent('web', 'destroy')
    trireme.setPURuntime('web', later)
    const second = trireme.handlePUEvent('web', 'start')
    await Promise.all([first, destroyed, second])
    const names = resolver.calls.filter(({ method }) => method === 'resolvePolicy').map(({ args }) => args[1])
    expect(names).toEqual([testRuntime(), later])
    expect(trireme.puRuntime('web')).toEqual(later)
    expect(trireme.puInfos()).toMatchObject([{ runtime: later }])
  })

  it('whatever happens to a PU, enforcer and supervisor end as the last event said', async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const { trireme, faults, steps } = await newStartedStage()
      let random = seed
      const next = (below: number) => {
        random = (random * 48_271) % 0x7fff_ffff
        return random % below
      }
      if (next(2) === 0) faults.add(['supervise pushed', 'enforce pushed', 'hear pause'][next(3)]!)
      const choices: readonly PUEvent[] = ['start', 'stop', 'pause']
      const work: Promise<void>[] = []
      for (let i = 0; i < 12; i += 1) {
        const event = choices[next(4)]
        work.push(event ? trireme.handlePUEvent('web', event) : trireme.updatePolicy('web', PUSHED))
      }
      await Promise.allSettled([...work, trireme.handlePUEvent('web', 'start')])
      const policy = trireme.puInfos()[0]?.policy.managementID
      expect(
        steps()
          .filter(step => /^(un)?(enforce|supervise)/.test(step))
          .slice(-2),
      ).toEqual([`enforce ${policy}`, `supervise ${policy}`])
    }
  })
})
