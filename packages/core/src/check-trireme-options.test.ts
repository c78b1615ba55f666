/** What callers without types get wrong. */
import { describe, expect, it } from 'vitest'
import type { PUEvent, PURuntime } from './pu.js'
import { newTestCollector, newTestIsolator, newTestPolicyResolver } from './testing/plugin-doubles.js'
import { newStartedStage } from './trireme.fixture.js'
import { newTrireme } from './trireme.js'
import type { TriremeOptions } from './trireme-contract.js'

const good = () => ({
  serverID: 'host-a',
  resolver: newTestPolicyResolver(),
  isolators: { 'linux-process': newTestIsolator() },
  collector: newTestCollector(),
})

describe('newTrireme', () => {
  it.each<[string, Record<string, unknown>]>([
    ['serverID undefined: expected a name', { serverID: undefined }],
    [
      'resolver undefined: expected an object with resolvePolicy() and handlePUEvent()',
      { resolver: undefined },
    ],
    ['resolver: handlePUEvent missing', { resolver: { resolvePolicy() {} } }],
    ['collector "log": expected an object', { collector: 'log' }],
    ['isolators undefined: expected an object', { isolators: undefined }],
    ['isolators: PU kind "vm": expected one of container', { isolators: { vm: {} } }],
    ['isolators.container null: expected an object', { isolators: { container: null } }],
    ['isolators.container.enforcer undefined', { isolators: { container: {} } }],
    ['clock 5: expected an object with now()', { clock: 5 }],
  ])('says %s', (message, change) => {
    const make = () => newTrireme({ ...good(), ...change } as unknown as TriremeOptions)
    expect(make).toThrow(TypeError)
    expect(make).toThrow(message)
  })

  it('says that there are no options', () => {
    expect(() => newTrireme(undefined as unknown as TriremeOptions)).toThrow(TypeError)
  })
})

describe('a PU', () => {
  it.each([
    ['runtime undefined: expected an object', undefined],
    ['runtime.kind "vm"', { kind: 'vm' }],
    ['runtime.tags undefined: expected an array', { kind: 'container' }],
  ])('without a description is refused: %s', async (message, runtime) => {
    const { trireme } = await newStartedStage()
    expect(() => trireme.setPURuntime('web', runtime as unknown as PURuntime)).toThrow(message)
    expect(() => trireme.setPURuntime('web', runtime as unknown as PURuntime)).toThrow(TypeError)
  })

  it('has no event of another name', async () => {
    const { trireme, events, steps } = await newStartedStage()
    const event = 'started' as unknown as PUEvent
    await expect(trireme.handlePUEvent('web', event)).rejects.toThrow(
      'event "started": expected one of create',
    )
    await expect(trireme.handlePUEvent('', 'start')).rejects.toThrow(TypeError)
    expect(steps()).toEqual([])
    expect(events()).toEqual([])
  })
})
