import { testPolicy, testRuntime } from '@trireme/core/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { NfqEnforcer } from './nfq-enforcer-options.js'
import { type InMemoryPacketQueue, openInMemoryPacketQueue } from './queue-in-memory.js'
import { newTestEnforcer, testPU } from './testing/test-enforcer.js'

describe('PUs with a network namespace of their own', () => {
  const inNamespace = (contextID: string) => {
    const runtime = testRuntime({ isolation: { by: 'netns', path: `/proc/self/fd/${contextID}` } })
    return { contextID, runtime, policy: testPolicy() }
  }

  let queues: InMemoryPacketQueue[]
  let enforcer: NfqEnforcer

  beforeEach(async () => {
    queues = []
    enforcer = newTestEnforcer({ queues, namespaces: 'per-pu' })
    await enforcer.start()
  })
  afterEach(() => enforcer.stop())

  it('have a queue socket each, which goes with them', async () => {
    expect(queues).toHaveLength(0)
    await enforcer.enforce(inNamespace('7'))
    await enforcer.enforce(inNamespace('8'))
    await enforcer.enforce(inNamespace('7'))
    expect(queues).toHaveLength(2)
    await enforcer.unenforce('7')
    expect(() => queues[0]!.bind(1)).toThrow('EBADF')
    expect(() => queues[1]!.bind(1)).not.toThrow()
    await enforcer.stop()
    expect(() => queues[1]!.bind(2)).toThrow('EBADF')
  })

  it('whose queue cannot be bound leave no socket behind', async () => {
    const failing = newTestEnforcer({
      namespaces: 'per-pu',
      openQueue: options => {
        const queue = openInMemoryPacketQueue(options)
        queue.bind(4097)
        queues.push(queue)
        return queue
      },
    })
    await failing.start()
    await expect(failing.enforce(inNamespace('7'))).rejects.toMatchObject({ errno: 'EBUSY' })
    expect(() => queues[0]!.bind(1)).toThrow('EBADF')
    await failing.stop()
  })

  it('have the same queue numbers, each in its namespace', async () => {
    const first = await enforcer.enforce(inNamespace('7'))
    expect(await enforcer.enforce(inNamespace('8'))).toEqual(first)
  })

  it('are refused by an enforcer of this namespace, and the other way round', async () => {
    await expect(enforcer.enforce(testPU('a'))).rejects.toThrow('isolated by cgroup-path')
    const ofThis = newTestEnforcer()
    await ofThis.start()
    await expect(ofThis.enforce(inNamespace('7'))).rejects.toThrow('isolated by netns')
    await ofThis.stop()
  })
})
