import { describe, expect, it } from 'vitest'
import { checkPolicy } from '../check-policy.js'
import type { RecordClaims } from '../plugin.js'
import { manualClock } from './manual-clock.js'
import {
  newTestCollector,
  newTestIsolator,
  newTestMonitor,
  newTestPolicyResolver,
  newTestPolicyUpdater,
  newTestProcessingUnitsHandler,
  newTestPublicKeyAdder,
  newTestSecrets,
  newTestSynchronizationHandler,
} from './plugin-doubles.js'
import { testFlowRecord, testPolicy, testRuntime } from './sample-data.js'
import { newTestTokenEngine } from './test-token-engine.js'

describe('a double', () => {
  it('behaves, remembers, and takes another behaviour', async () => {
    const resolver = newTestPolicyResolver()
    expect(resolver.resolvePolicy('web', testRuntime())).toEqual(testPolicy())
    resolver.mockResolvePolicy(async contextID => testPolicy({ managementID: contextID }))
    expect(await resolver.resolvePolicy('db', testRuntime())).toMatchObject({ managementID: 'db' })
    resolver.mockHandlePUEvent(() => {
      throw new Error('no')
    })
    expect(() => resolver.handlePUEvent('db', 'stop')).toThrow('no')
    expect(resolver.calls).toEqual([
      { method: 'resolvePolicy', args: ['web', testRuntime()] },
      { method: 'resolvePolicy', args: ['db', testRuntime()] },
      { method: 'handlePUEvent', args: ['db', 'stop'] },
    ])
  })

  it('exists for every contract', async () => {
    const { enforcer, supervisor } = newTestIsolator()
    for (const part of [newTestMonitor(), enforcer, supervisor]) {
      await part.start()
      await part.stop()
    }
    const pu = { contextID: 'web', runtime: testRuntime(), policy: testPolicy() }
    const enforcement = await enforcer.enforce(pu)
    expect(await enforcer.enforce(pu)).toEqual(enforcement)
    expect(await enforcer.enforce({ ...pu, contextID: 'db' })).not.toEqual(enforcement)
    expect(enforcer.filterQueue().commands.key).toBeGreaterThan(0)
    expect(enforcer.counters('web')).toEqual({})
    await supervisor.supervise(pu, enforcement)
    await supervisor.setTargetNetworks(['10.0.0.0/8'])
    await Promise.all([supervisor.unsupervise('web'), supervisor.reconcile(), supervisor.uninstall()])
    await enforcer.unenforce('web')
    const handler = newTestProcessingUnitsHandler()
    handler.setPURuntime('web', testRuntime())
    await handler.handlePUEvent('web', 'start')
    await newTestPolicyUpdater().updatePolicy('web', testPolicy())
    const synchronization = newTestSynchronizationHandler()
    await synchronization.handleSynchronization('web', 'started', testRuntime())
    synchronization.handleSynchronizationComplete()
    newTestPublicKeyAdder().publicKeyAdd('host-a', 'PEM')
  })

  it('of a collector keeps the records', () => {
    const collector = newTestCollector()
    collector.collectFlowEvent(testFlowRecord())
    expect(collector.flowRecords).toEqual([testFlowRecord()])
    expect(collector.puRecords).toEqual([])
  })

  it('of secrets verifies what it signs', () => {
    const secrets = newTestSecrets()
    const use = { issuer: 'host-a', encoding: 'test' }
    const { keyID, key } = secrets.signer(use)
    const verifier = secrets.verifier({ ...use, keyID })
    expect(typeof verifier === 'object' && verifier.key?.equals(key!)).toBe(true)
    expect(secrets.verifier({ ...use, keyID: 'other' })).toBe('token')
  })
})

describe('the token engine for tests', () => {
  const claims: RecordClaims = {
    issuer: 'host-a',
    puID: 'web',
    tags: [{ key: 'app', value: 'web' }],
    ephemeralKey: new Uint8Array(32).fill(9),
    notBefore: 100,
    notAfter: 280,
  }
  const engine = newTestTokenEngine()
  const issue = async (record: RecordClaims) => new Uint8Array(await engine.issue(record))

  it('reads back what it wrote', async () => {
    const verified = await engine.verify(await issue(claims))
    expect(verified).toMatchObject({
      ...claims,
      ephemeralKey: Buffer.from(claims.ephemeralKey),
      keyID: 'test',
    })
  })

  it('refuses other bytes and other claims', async () => {
    const record = await issue(claims)
    expect(engine.verify(record.subarray(1))).toBe('token')
    expect(engine.verify(Uint8Array.from([...record, 0x20]))).toBe('token')
    expect(engine.verify(Buffer.from('null'))).toBe('token')
    expect(() => engine.issue({ ...claims, issuer: '' })).toThrow(/issuer is empty/)
  })
})

describe('the manual clock', () => {
  it('runs timers in the order of their times, those that they set among them', () => {
    const clock = manualClock(0)
    const log: string[] = []
    const note = (name: string) => () => log.push(`${name} ${clock.now()}`)
    clock.setTimer(note('late'), 20)
    clock.setTimer(() => clock.setTimer(note('nested'), 5), 10)
    clock.setTimer(note('cancelled'), 12)()
    clock.setTimer(note('never'), 31)
    clock.advance(30)
    expect(log).toEqual(['nested 15', 'late 20'])
    expect(clock.now()).toBe(30)
  })
})

it('the sample policy can be enforced', () => {
  checkPolicy(testPolicy())
})
