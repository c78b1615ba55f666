import { connectionMark, KernelError, type PUPolicy, pskSecrets, QUEUE_BLOCK_SIZE } from '@trireme/core'
import { testPolicy, testRuntime } from '@trireme/core/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { hmacTokenEngine } from './datapath/simulation/hmac-token-engine.js'
import { inMemoryFlowJournal } from './flow-journal.js'
import type { NfqEnforcer } from './nfq-enforcer-options.js'
import { NF_INET_LOCAL_OUT } from './queue.js'
import { type InMemoryPacketQueue, openInMemoryPacketQueue } from './queue-in-memory.js'
import { LINUX_SYN_OPTIONS, tcpPacket } from './testing/index.js'
import { newTestEnforcer, testPU } from './testing/test-enforcer.js'

let queues: InMemoryPacketQueue[]
let enforcer: NfqEnforcer
let secrets = pskSecrets({ key: new Uint8Array(32) })

function syn(destination = '192.0.2.2'): Uint8Array {
  const ends = { source: '192.0.2.1', destination, sourcePort: 40_000, destinationPort: 8080 }
  return tcpPacket({ ...ends, flags: ['SYN'], options: LINUX_SYN_OPTIONS })
}

beforeEach(() => {
  queues = []
  secrets = pskSecrets({ key: new Uint8Array(32) })
  enforcer = newTestEnforcer({ queues, secrets })
})

afterEach(async () => {
  vi.useRealTimers()
  await enforcer.stop()
})

it('warns of rules over prefixes where the encoding shortens tags, and nowhere else', async () => {
  const receiverRules: PUPolicy['receiverRules'] = [
    { name: 'by-prefix', action: 'accept', clauses: [{ key: 'app', operator: '=', values: ['web*'] }] },
  ]
  for (const shortensTags of [false, true]) {
    const shortening = newTestEnforcer({ tokenEngine: { ...hmacTokenEngine(secrets), shortensTags } })
    await shortening.start()
    const { warnings } = await shortening.enforce(testPU('a', testPolicy({ receiverRules })))
    const expected = [expect.stringContaining('rule by-prefix: app=web*')]
    expect(warnings).toEqual(shortensTags ? expected : undefined)
    await shortening.stop()
  }
})

describe('start and stop', () => {
  it('starts once, stops twice, and starts again with other queues on request', async () => {
    await enforcer.start()
    await enforcer.start()
    expect(queues).toHaveLength(1)
    expect(enforcer.filterQueue()).toMatchObject({ flowQueue: QUEUE_BLOCK_SIZE, commands: { epoch: 0 } })
    await enforcer.stop()
    await enforcer.stop()
    expect(() => enforcer.filterQueue()).toThrow(expect.objectContaining({ code: 'ERR_NOT_STARTED' }))
    await enforcer.start()
    expect(queues).toHaveLength(2)
    await enforcer.enforce(testPU('a'))
    const next = newTestEnforcer({ generation: 1, epoch: 4 })
    await next.start()
    expect(next.filterQueue()).toMatchObject({ flowQueue: 2 * QUEUE_BLOCK_SIZE, commands: { epoch: 4 } })
    await next.stop()
  })

  it('draws a command key from 1 to 31', async () => {
    const keys = new Set<number>()
    for (let count = 0; count < 200; count++) {
      await enforcer.start()
      keys.add(enforcer.filterQueue().commands.key)
      await enforcer.stop()
    }
    expect(Math.min(...keys)).toBeGreaterThanOrEqual(1)
    expect(Math.max(...keys)).toBeLessThanOrEqual(31)
    expect(keys.size).toBeGreaterThan(15)
  })

  it('a start that fails leaves nothing behind, and can be tried again', async () => {
    const refusal = new KernelError({ op: 'NFQNL_CFG_CMD_BIND', errno: 'EPERM' })
    let isRefused = true
    const failing = newTestEnforcer({
      openQueue: options => {
        if (isRefused) throw refusal
        return openInMemoryPacketQueue(options)
      },
    })
    await expect(failing.start()).rejects.toBe(refusal)
    await expect(failing.enforce(testPU('a'))).rejects.toMatchObject({ code: 'ERR_NOT_STARTED' })
    isRefused = false
    await failing.start()
    await failing.stop()
  })

  it('looks for connections to adopt where a PU has run before, and nowhere else', async () => {
    const looked: (string | undefined)[] = []
    enforcer = newTestEnforcer({
      readSockets: netns => {
        looked.push(netns)
        return []
      },
    })
    await enforcer.start()
    await enforcer.enforce({ ...testPU('new'), runtime: testRuntime({ isNew: true }) })
    expect(looked).toEqual([])
    await enforcer.enforce(testPU('old'))
    expect(looked).toEqual([undefined])
  })

  it('adopts nothing of a PU that was in force in the time of an earlier process', async () => {
    const journal = inMemoryFlowJournal()
    let looked = 0
    const next = async () => {
      const each = newTestEnforcer({
        journal,
        readSockets: () => {
          looked++
          return []
        },
      })
      await each.start()
      await each.enforce(testPU('a'))
      return each
    }
    await (await next()).stop()
    expect(looked).toBe(1)
    const second = await next()
    expect(looked).toBe(1)
    await second.unenforce('a')
    await second.enforce(testPU('a'))
    expect(looked).toBe(2)
    await second.stop()
  })

  it('does not enforce before it is started', async () => {
    await expect(enforcer.enforce(testPU('a'))).rejects.toMatchObject({ code: 'ERR_NOT_STARTED' })
  })

  it('counts nothing and admits nothing after its end', async () => {
    await enforcer.start()
    await enforcer.enforce(testPU('a'))
    await enforcer.stop()
    expect(enforcer.counters('a')).toEqual({})
    expect(enforcer.stats()).toMatchObject({ counters: {}, queue: {} })
    await expect(enforcer.unenforce('a')).resolves.toBeUndefined()
  })
})

describe('the epoch', () => {
  const accepting = (value: string) =>
    testPolicy({
      receiverRules: [
        { name: value, action: 'accept', clauses: [{ key: 'app', operator: '=', values: [value] }] },
      ],
    })

  it('moves on with a policy that allows something else, and with nothing else', async () => {
    await enforcer.start()
    const epochs = []
    const identity = [{ key: 'app', value: 'x' }]
    for (const policy of [accepting('a'), accepting('a'), { ...accepting('a'), identity }, accepting('b')])
      epochs.push((await enforcer.enforce(testPU('a', policy))).epoch)
    epochs.push((await enforcer.enforce(testPU('b', accepting('a')))).epoch)
    expect(epochs).toEqual([0, 0, 0, 1, 1])
    expect(enforcer.filterQueue().commands.epoch).toBe(1)
  })

  it('stays with onPolicyChange: keep', async () => {
    const keeping = newTestEnforcer({ onPolicyChange: 'keep' })
    await keeping.start()
    for (const value of ['a', 'b']) {
      expect(await keeping.enforce(testPU('a', accepting(value)))).toMatchObject({ epoch: 0 })
    }
    await keeping.stop()
  })

  it('outlives the process, as do the policies that were in force', async () => {
    const journal = inMemoryFlowJournal()
    const epochs = []
    for (const value of ['a', 'b', 'b', 'c']) {
      const next = newTestEnforcer({ journal })
      await next.start()
      epochs.push((await next.enforce(testPU('a', accepting(value)))).epoch)
      await next.stop()
    }
    expect(epochs).toEqual([0, 1, 1, 2])
  })

  it('does not move where the kernel does not tell which are in use: the old policy stays', async () => {
    const refusal = new KernelError({ op: 'IPCTNL_MSG_CT_GET', errno: 'EPERM' })
    const refused = newTestEnforcer({
      openConnections: () => {
        throw refusal
      },
    })
    await refused.start()
    await refused.enforce(testPU('a', accepting('a')))
    await expect(refused.enforce(testPU('a', accepting('b')))).rejects.toBe(refusal)
    expect(await refused.enforce(testPU('a', accepting('a')))).toMatchObject({ epoch: 0 })
    await refused.stop()
  })
})

describe('enforce', () => {
  beforeEach(() => enforcer.start())

  it('gives every PU a queue of the block, keeps it for a new policy, and frees it', async () => {
    expect(await enforcer.enforce(testPU('a'))).toEqual({ queueNumber: 4097, epoch: 0 })
    expect(await enforcer.enforce(testPU('b'))).toEqual({ queueNumber: 4098, epoch: 0 })
    expect(await enforcer.enforce(testPU('a', testPolicy({ receiverRules: [] })))).toMatchObject({
      queueNumber: 4097,
    })
    await enforcer.unenforce('a')
    await enforcer.unenforce('a')
    expect(() => queues[0]!.inject({ queue: 4097, bytes: syn() })).toThrow(RangeError)
    expect(await enforcer.enforce(testPU('c'))).toMatchObject({ queueNumber: 4097 })
  })

  it('gives two PUs at once two queues', async () => {
    const given = await Promise.all(['a', 'b', 'c'].map(id => enforcer.enforce(testPU(id))))
    expect(new Set(given.map(({ queueNumber }) => queueNumber)).size).toBe(3)
  })

  it('counts from the first policy on', async () => {
    const { queueNumber } = await enforcer.enforce(testPU('a'))
    queues[0]!.inject({ queue: queueNumber, bytes: new Uint8Array(1) })
    await enforcer.enforce(testPU('a', testPolicy({ receiverRules: [] })))
    expect(enforcer.counters('a')).toEqual({ 'drop.format': 1 })
    await enforcer.unenforce('a')
    expect(enforcer.counters('a')).toEqual({})
    await enforcer.enforce(testPU('a'))
    expect(enforcer.counters('a')).toEqual({})
  })

  it('undoes a bind that fails: no queue, no record, and the next try works', async () => {
    const queue = queues[0]!
    queue.bind(4097)
    await expect(enforcer.enforce(testPU('a'))).rejects.toMatchObject({ errno: 'EBUSY' })
    expect(enforcer.counters('a')).toEqual({})
    queue.unbind(4097)
    expect(await enforcer.enforce(testPU('a'))).toEqual({ queueNumber: 4097, epoch: 0 })
  })

  it('refuses an identity that does not fit, and what was enforced goes on', async () => {
    await enforcer.enforce(testPU('a'))
    const identity = [{ key: 'large', value: 'x'.repeat(2000) }]
    await expect(enforcer.enforce(testPU('a', testPolicy({ identity })))).rejects.toMatchObject({
      code: 'ERR_IDENTITY_TOO_LARGE',
    })
    await expect(enforcer.enforce(testPU('b', testPolicy({ identity })))).rejects.toMatchObject({})
    queues[0]!.inject({ queue: 4097, bytes: syn() })
    expect(queues[0]!.verdicts.at(-1)!.payload).toBeDefined()
    expect(await enforcer.enforce(testPU('c'))).toEqual({ queueNumber: 4098, epoch: 0 })
  })

  it('that is overtaken by the end leaves nothing behind', async () => {
    await enforcer.enforce(testPU('a'))
    const updates = [enforcer.enforce(testPU('a')), enforcer.enforce(testPU('b'))]
    await enforcer.stop()
    for (const update of updates) await expect(update).rejects.toMatchObject({ code: 'ERR_NOT_STARTED' })
    await enforcer.start()
    expect(enforcer.counters('a')).toEqual({})
    expect(await enforcer.enforce(testPU('a'))).toEqual({ queueNumber: 4097, epoch: 0 })
    expect(() => queues.at(-1)!.inject({ queue: 4097, bytes: syn() })).not.toThrow()
  })

  it('refuses a rule that does not compile, and the old policy stays', async () => {
    await enforcer.enforce(testPU('a'))
    const receiverRules = [{ name: 'bad', action: 'accept' as const, clauses: [] }]
    await expect(enforcer.enforce(testPU('a', testPolicy({ receiverRules })))).rejects.toMatchObject({
      code: 'ERR_POLICY',
    })
    expect(enforcer.counters('a')).toEqual({})
  })

  it('names the PU by its context where the policy has no name for it', async () => {
    await enforcer.enforce(testPU('a', testPolicy({ managementID: '' })))
    queues[0]!.inject({ queue: 4097, bytes: syn() })
    expect(Buffer.from(queues[0]!.verdicts.at(-1)!.payload!).includes('"puID":"a"')).toBe(true)
  })
})

it('warns where a policy cuts a PU off from its name servers', async () => {
  enforcer = newTestEnforcer({ nameServersOf: () => ['192.0.2.53'] })
  await enforcer.start()
  const { warnings } = await enforcer.enforce(testPU('a'))
  expect(warnings).toEqual([
    expect.stringContaining(
      'no rule over addresses lets it send UDP to port 53 of 192.0.2.53; in a policy file',
    ),
  ])
})

describe('time and secrets', () => {
  it('renews records and forgets flows by itself', async () => {
    vi.useFakeTimers()
    enforcer = newTestEnforcer({ queues, secrets })
    await enforcer.start()
    await enforcer.enforce(testPU('a'))
    const record = () => {
      queues[0]!.inject({ queue: 4097, bytes: syn() })
      return Buffer.from(queues[0]!.verdicts.at(-1)!.payload!).toString('latin1').slice(-200)
    }
    record()
    expect(enforcer.stats().queue).toMatchObject({ handshakes: 1 })
    await vi.advanceTimersByTimeAsync(70_000)
    expect(enforcer.stats().queue).toMatchObject({ handshakes: 0 })
    await vi.advanceTimersByTimeAsync(200_000)
    expect(record()).toContain('"notBefore"')
    await enforcer.stop()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('sends the new secrets when updateSecrets has resolved, answers in the accepted ones, and can be refused', async () => {
    await enforcer.start()
    await enforcer.enforce(testPU('a'))
    await enforcer.enforce(testPU('b'))
    const send = (queue: number) => {
      queues[0]!.inject({ queue, bytes: syn() })
      return Buffer.from(queues[0]!.verdicts.at(-1)!.payload!).toString('latin1')
    }
    const keyIDIn = (payload: string) => /"keyID":"(\w+)"/.exec(payload)![1]
    const before = keyIDIn(send(4097))
    const next = pskSecrets({ key: new Uint8Array(32).fill(2) })
    await expect(enforcer.updateSecrets([])).rejects.toMatchObject({ code: 'ERR_SECRET' })
    expect(keyIDIn(send(4098))).toBe(before)
    await enforcer.updateSecrets([
      { secrets: next, tokenEngine: { ...hmacTokenEngine(next), encodingCode: 13 } },
      { secrets, tokenEngine: hmacTokenEngine(secrets) },
    ])
    // Also the SYN that is sent again bears the new key.
    expect(keyIDIn(send(4097))).toBe(next.signer({ issuer: 'host-a', encoding: 'test-hmac' }).keyID)
    await enforcer.enforce(testPU('c'))
    expect(keyIDIn(send(4099))).not.toBe(before)
    expect(enforcer.stats().coldVerifications).toBe(0)
  })

  it('signs anew when the secrets change, and stops listening when it stops', async () => {
    await enforcer.start()
    await enforcer.enforce(testPU('a'))
    const send = () => {
      queues.at(-1)!.inject({ queue: 4097, bytes: syn() })
      return Buffer.from(queues.at(-1)!.verdicts.at(-1)!.payload!).toString('latin1')
    }
    const keyID = () => /"keyID":"(\w+)"/.exec(send())![1]
    const before = keyID()
    secrets.replaceKeys([new Uint8Array(32).fill(2)])
    await new Promise(resolve => setImmediate(resolve))
    // A SYN that is sent again keeps its overlay: another PU's is the first to show the new key.
    await enforcer.enforce(testPU('b'))
    queues[0]!.inject({ queue: 4098, bytes: syn() })
    expect(Buffer.from(queues[0]!.verdicts.at(-1)!.payload!).toString('latin1')).not.toContain(before)
    await enforcer.stop()
    expect(() => secrets.replaceKeys([new Uint8Array(32).fill(3)])).not.toThrow()
  })
})

describe('networks', () => {
  it('flaw 17: no record is sent outside the trireme networks, also where a tuple is used again', async () => {
    await enforcer.start()
    const { queueNumber } = await enforcer.enforce(testPU('a'))
    const queue = queues[0]!
    const mark = connectionMark('acl', 0)
    queue.inject({ queue: queueNumber, hook: NF_INET_LOCAL_OUT, mark, bytes: syn('198.51.100.2') })
    queue.inject({ queue: queueNumber, hook: NF_INET_LOCAL_OUT, mark, bytes: syn() })
    const [outside, inside] = queue.verdicts
    expect(outside?.payload).toBeUndefined()
    expect(inside?.payload?.length).toBeGreaterThan(200)
  })
})
