import {
  connectionMark,
  KernelError,
  type PUPolicy,
  pskSecrets,
  QUEUE_BLOCK_SIZE,
  type TokenEngine,
} from '@trireme/core'
import { newTestCollector, testPolicy, testRuntime } from '@trireme/core/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Connection, Connections } from './connections.js'
import { hmacTokenEngine } from './datapath/simulation/hmac-token-engine.js'
import { inMemoryFlowJournal } from './flow-journal.js'
import { nfqEnforcer } from './nfq-enforcer.js'
import type { NfqEnforcer, NfqEnforcerOptions } from './nfq-enforcer-options.js'
import { TcpPacket } from './packet/tcp-packet.js'
import { NF_INET_LOCAL_OUT } from './queue.js'
import { type InMemoryPacketQueue, openInMemoryPacketQueue } from './queue-in-memory.js'
import { LINUX_SYN_OPTIONS, tcpPacket } from './testing/index.js'
import { NO_CONNECTIONS } from './testing/no-connections.js'

let queues: InMemoryPacketQueue[]
let enforcer: NfqEnforcer
let secrets = pskSecrets({ key: new Uint8Array(32) })

function newEnforcer(
  options: NfqEnforcerOptions = {},
  tokenEngine = hmacTokenEngine(secrets) as TokenEngine,
): NfqEnforcer {
  return nfqEnforcer({
    readSockets: () => [],
    nameServersOf: () => [],
    openQueue: queueOptions => {
      const queue = openInMemoryPacketQueue(queueOptions)
      queues.push(queue)
      return queue
    },
    openConnections: () => NO_CONNECTIONS,
    ...options,
  })({
    serverID: 'host-a',
    tokenEngine,
    secrets,
    collector: newTestCollector(),
    networks: { trireme: ['192.0.2.0/24'], excluded: [] },
  })
}

function pu(contextID: string, policy = testPolicy()) {
  return { contextID, runtime: testRuntime(), policy }
}

function syn(destination = '192.0.2.2'): Uint8Array {
  const ends = { source: '192.0.2.1', destination, sourcePort: 40_000, destinationPort: 8080 }
  return tcpPacket({ ...ends, flags: ['SYN'], options: LINUX_SYN_OPTIONS })
}

beforeEach(() => {
  queues = []
  secrets = pskSecrets({ key: new Uint8Array(32) })
  enforcer = newEnforcer()
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
    const shortening = newEnforcer({}, { ...hmacTokenEngine(secrets), shortensTags })
    await shortening.start()
    const { warnings } = await shortening.enforce(pu('a', testPolicy({ receiverRules })))
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
    await enforcer.enforce(pu('a'))
    const next = newEnforcer({ generation: 1, epoch: 4 })
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
    const failing = newEnforcer({
      readSockets: () => [],
      nameServersOf: () => [],
      openQueue: options => {
        if (isRefused) throw refusal
        return openInMemoryPacketQueue(options)
      },
    })
    await expect(failing.start()).rejects.toBe(refusal)
    await expect(failing.enforce(pu('a'))).rejects.toMatchObject({ code: 'ERR_NOT_STARTED' })
    isRefused = false
    await failing.start()
    await failing.stop()
  })

  it('looks for connections to adopt where a PU has run before, and nowhere else', async () => {
    const looked: (string | undefined)[] = []
    enforcer = newEnforcer({
      readSockets: netns => {
        looked.push(netns)
        return []
      },
    })
    await enforcer.start()
    await enforcer.enforce({ ...pu('new'), runtime: testRuntime({ isNew: true }) })
    expect(looked).toEqual([])
    await enforcer.enforce(pu('old'))
    expect(looked).toEqual([undefined])
  })

  it('adopts nothing of a PU that was in force in the time of an earlier process', async () => {
    const journal = inMemoryFlowJournal()
    let looked = 0
    const next = async () => {
      const each = newEnforcer({
        journal,
        readSockets: () => {
          looked++
          return []
        },
      })
      await each.start()
      await each.enforce(pu('a'))
      return each
    }
    await (await next()).stop()
    expect(looked).toBe(1)
    const second = await next()
    expect(looked).toBe(1)
    await second.unenforce('a')
    await second.enforce(pu('a'))
    expect(looked).toBe(2)
    await second.stop()
  })

  it('does not enforce before it is started', async () => {
    await expect(enforcer.enforce(pu('a'))).rejects.toMatchObject({ code: 'ERR_NOT_STARTED' })
  })

  it('counts nothing and admits nothing after its end', async () => {
    await enforcer.start()
    await enforcer.enforce(pu('a'))
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
      epochs.push((await enforcer.enforce(pu('a', policy))).epoch)
    epochs.push((await enforcer.enforce(pu('b', accepting('a')))).epoch)
    expect(epochs).toEqual([0, 0, 0, 1, 1])
    expect(enforcer.filterQueue().commands.epoch).toBe(1)
  })

  it('stays with onPolicyChange: keep', async () => {
    const keeping = newEnforcer({ onPolicyChange: 'keep' })
    await keeping.start()
    for (const value of ['a', 'b']) {
      expect(await keeping.enforce(pu('a', accepting(value)))).toMatchObject({ epoch: 0 })
    }
    await keeping.stop()
  })

  it('outlives the process, as do the policies that were in force', async () => {
    const journal = inMemoryFlowJournal()
    const epochs = []
    for (const value of ['a', 'b', 'b', 'c']) {
      const next = newEnforcer({ journal })
      await next.start()
      epochs.push((await next.enforce(pu('a', accepting(value)))).epoch)
      await next.stop()
    }
    expect(epochs).toEqual([0, 1, 1, 2])
  })

  it('does not move where the kernel does not tell which are in use: the old policy stays', async () => {
    const refusal = new KernelError({ op: 'IPCTNL_MSG_CT_GET', errno: 'EPERM' })
    const refused = newEnforcer({
      openConnections: () => {
        throw refusal
      },
    })
    await refused.start()
    await refused.enforce(pu('a', accepting('a')))
    await expect(refused.enforce(pu('a', accepting('b')))).rejects.toBe(refusal)
    expect(await refused.enforce(pu('a', accepting('a')))).toMatchObject({ epoch: 0 })
    await refused.stop()
  })
})

describe('addresses of their own', () => {
  const mark = connectionMark('auth', 0)
  const [frontend, shared] = ['172.20.0.2', '172.20.0.3']
  const behind = (contextID: string, ...addresses: readonly string[]) => {
    const interfaces = [{ name: `veth${contextID}`, bridge: 'br0', addresses }]
    const isolation = { by: 'interfaces', interfaces, netns: '/proc/1/fd/9' } as const
    return { contextID, runtime: testRuntime({ ports: [], isolation }), policy: testPolicy() }
  }
  const keyOf = (source: string, destination: string) => {
    const bytes = tcpPacket({ source, destination, sourcePort: 40_000, destinationPort: 80, flags: ['SYN'] })
    const packet = new TcpPacket()
    packet.parse(bytes, 0, bytes.length)
    return packet.flowKey()
  }
  let kept: readonly Connection[]
  let ended: string[]
  const openConnections = (): Connections => ({
    ...NO_CONNECTIONS,
    list: () => kept,
    sockets: () => kept.map(({ asClient }) => ({ key: asClient })),
    end: sockets => {
      ended.push(...sockets.map(({ key }) => key))
      return false
    },
    forget: gone => {
      kept = kept.filter(each => !gone.includes(each))
    },
  })
  const connect = (source: string, destination: string, translated = destination): Connection => {
    const ends = { asClient: keyOf(source, destination), asServer: keyOf(source, translated) }
    return { protocol: 6, mark, ...ends }
  }
  const other = connect(frontend, '172.20.0.9')

  beforeEach(() => {
    ended = []
    kept = [
      other,
      connect(frontend, shared),
      connect(shared, frontend),
      connect(frontend, '192.0.2.1', shared),
    ]
    enforcer = newEnforcer({ openConnections })
  })

  it('leave no connection to their next owner: those of a PU that ends are ended and forgotten', async () => {
    await enforcer.start()
    const all = kept
    kept = []
    await enforcer.enforce(behind('a', frontend))
    await enforcer.enforce(behind('c', shared))
    kept = all
    await enforcer.enforce(behind('c', shared))
    expect(kept).toBe(all)
    await enforcer.unenforce('c')
    expect(kept).toEqual([other])
    expect(new Set(ended).size).toBe(3)
  })

  it('nor does an address that a PU loses, or gets from one that is still there', async () => {
    await enforcer.start()
    const all = kept
    kept = []
    await enforcer.enforce(behind('c', shared))
    kept = all
    await enforcer.enforce(behind('c', '172.20.0.4'))
    expect(kept).toEqual([other])
    await enforcer.enforce(behind('lingers', shared))
    kept = all
    await enforcer.enforce(behind('d', shared))
    expect(kept).toEqual([other])
    const its = [connect(frontend, shared)]
    kept = its
    await enforcer.unenforce('lingers')
    expect(kept).toBe(its)
  })

  it('go on with their owner after a restart, and with nobody else', async () => {
    const journal = inMemoryFlowJournal()
    const all = kept
    kept = []
    enforcer = newEnforcer({ openConnections, journal })
    await enforcer.start()
    await enforcer.enforce(behind('c', shared))
    await enforcer.stop()
    kept = all
    enforcer = newEnforcer({ openConnections, journal })
    await enforcer.start()
    await enforcer.enforce(behind('c', shared))
    expect(kept).toBe(all)
    await enforcer.stop()
    enforcer = newEnforcer({ openConnections, journal })
    await enforcer.start()
    await enforcer.enforce(behind('d', shared))
    expect(kept).toEqual([other])
  })

  it('are refused to a new owner where the kernel does not tell what there was', async () => {
    const refusal = new KernelError({ op: 'IPCTNL_MSG_CT_GET', errno: 'EPERM' })
    enforcer = newEnforcer({
      openConnections: () => {
        throw refusal
      },
    })
    await enforcer.start()
    await expect(enforcer.enforce(behind('c', shared))).rejects.toBe(refusal)
  })
})

describe('enforce', () => {
  beforeEach(() => enforcer.start())

  it('gives every PU a queue of the block, keeps it for a new policy, and frees it', async () => {
    expect(await enforcer.enforce(pu('a'))).toEqual({ queueNumber: 4097, epoch: 0 })
    expect(await enforcer.enforce(pu('b'))).toEqual({ queueNumber: 4098, epoch: 0 })
    expect(await enforcer.enforce(pu('a', testPolicy({ receiverRules: [] })))).toMatchObject({
      queueNumber: 4097,
    })
    await enforcer.unenforce('a')
    await enforcer.unenforce('a')
    expect(() => queues[0]!.inject({ queue: 4097, bytes: syn() })).toThrow(RangeError)
    expect(await enforcer.enforce(pu('c'))).toMatchObject({ queueNumber: 4097 })
  })

  it('gives two PUs at once two queues', async () => {
    const given = await Promise.all(['a', 'b', 'c'].map(id => enforcer.enforce(pu(id))))
    expect(new Set(given.map(({ queueNumber }) => queueNumber)).size).toBe(3)
  })

  it('counts from the first policy on', async () => {
    const { queueNumber } = await enforcer.enforce(pu('a'))
    queues[0]!.inject({ queue: queueNumber, bytes: new Uint8Array(1) })
    await enforcer.enforce(pu('a', testPolicy({ receiverRules: [] })))
    expect(enforcer.counters('a')).toEqual({ 'drop.format': 1 })
    await enforcer.unenforce('a')
    expect(enforcer.counters('a')).toEqual({})
    await enforcer.enforce(pu('a'))
    expect(enforcer.counters('a')).toEqual({})
  })

  it('undoes a bind that fails: no queue, no record, and the next try works', async () => {
    const queue = queues[0]!
    queue.bind(4097)
    await expect(enforcer.enforce(pu('a'))).rejects.toMatchObject({ errno: 'EBUSY' })
    expect(enforcer.counters('a')).toEqual({})
    queue.unbind(4097)
    expect(await enforcer.enforce(pu('a'))).toEqual({ queueNumber: 4097, epoch: 0 })
  })

  it('refuses an identity that does not fit, and what was enforced goes on', async () => {
    await enforcer.enforce(pu('a'))
    const identity = [{ key: 'large', value: 'x'.repeat(2000) }]
    await expect(enforcer.enforce(pu('a', testPolicy({ identity })))).rejects.toMatchObject({
      code: 'ERR_IDENTITY_TOO_LARGE',
    })
    await expect(enforcer.enforce(pu('b', testPolicy({ identity })))).rejects.toMatchObject({})
    queues[0]!.inject({ queue: 4097, bytes: syn() })
    expect(queues[0]!.verdicts.at(-1)!.payload).toBeDefined()
    expect(await enforcer.enforce(pu('c'))).toEqual({ queueNumber: 4098, epoch: 0 })
  })

  it('that is overtaken by the end leaves nothing behind', async () => {
    await enforcer.enforce(pu('a'))
    const updates = [enforcer.enforce(pu('a')), enforcer.enforce(pu('b'))]
    await enforcer.stop()
    for (const update of updates) await expect(update).rejects.toMatchObject({ code: 'ERR_NOT_STARTED' })
    await enforcer.start()
    expect(enforcer.counters('a')).toEqual({})
    expect(await enforcer.enforce(pu('a'))).toEqual({ queueNumber: 4097, epoch: 0 })
    expect(() => queues.at(-1)!.inject({ queue: 4097, bytes: syn() })).not.toThrow()
  })

  it('refuses a rule that does not compile, and the old policy stays', async () => {
    await enforcer.enforce(pu('a'))
    const receiverRules = [{ name: 'bad', action: 'accept' as const, clauses: [] }]
    await expect(enforcer.enforce(pu('a', testPolicy({ receiverRules })))).rejects.toMatchObject({
      code: 'ERR_POLICY',
    })
    expect(enforcer.counters('a')).toEqual({})
  })

  it('names the PU by its context where the policy has no name for it', async () => {
    await enforcer.enforce(pu('a', testPolicy({ managementID: '' })))
    queues[0]!.inject({ queue: 4097, bytes: syn() })
    expect(Buffer.from(queues[0]!.verdicts.at(-1)!.payload!).includes('"puID":"a"')).toBe(true)
  })
})

it('warns where a policy cuts a PU off from its name servers', async () => {
  enforcer = newEnforcer({ nameServersOf: () => ['192.0.2.53'] })
  await enforcer.start()
  const { warnings } = await enforcer.enforce(pu('a'))
  expect(warnings).toEqual([
    'the PU cannot resolve names: no rule over addresses lets it send UDP to port 53 of 192.0.2.53',
  ])
})

describe('PUs with a network namespace of their own', () => {
  const inNamespace = (contextID: string) => {
    const runtime = testRuntime({ isolation: { by: 'netns', path: `/proc/self/fd/${contextID}` } })
    return { contextID, runtime, policy: testPolicy() }
  }

  beforeEach(async () => {
    enforcer = newEnforcer({ namespaces: 'per-pu' })
    await enforcer.start()
  })

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
    const failing = newEnforcer({
      namespaces: 'per-pu',
      readSockets: () => [],
      nameServersOf: () => [],
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
})

describe('time and secrets', () => {
  it('renews records and forgets flows by itself', async () => {
    vi.useFakeTimers()
    enforcer = newEnforcer()
    await enforcer.start()
    await enforcer.enforce(pu('a'))
    const record = () => {
      queues[0]!.inject({ queue: 4097, bytes: syn() })
      return Buffer.from(queues[0]!.verdicts.at(-1)!.payload!).toString('latin1').slice(-200)
    }
    record()
    expect(enforcer.stats().queue).toMatchObject({ flows: 1 })
    await vi.advanceTimersByTimeAsync(70_000)
    expect(enforcer.stats().queue).toMatchObject({ flows: 0 })
    await vi.advanceTimersByTimeAsync(200_000)
    expect(record()).toContain('"notBefore"')
    await enforcer.stop()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('sends the new secrets when updateSecrets has resolved, answers in the accepted ones, and can be refused', async () => {
    await enforcer.start()
    await enforcer.enforce(pu('a'))
    await enforcer.enforce(pu('b'))
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
    await enforcer.enforce(pu('c'))
    expect(keyIDIn(send(4099))).not.toBe(before)
    expect(enforcer.stats().coldVerifications).toBe(0)
  })

  it('signs anew when the secrets change, and stops listening when it stops', async () => {
    await enforcer.start()
    await enforcer.enforce(pu('a'))
    const send = () => {
      queues.at(-1)!.inject({ queue: 4097, bytes: syn() })
      return Buffer.from(queues.at(-1)!.verdicts.at(-1)!.payload!).toString('latin1')
    }
    const keyID = () => /"keyID":"(\w+)"/.exec(send())![1]
    const before = keyID()
    secrets.replaceKeys([new Uint8Array(32).fill(2)])
    await new Promise(resolve => setImmediate(resolve))
    // A SYN that is sent again keeps its overlay: another PU's is the first to show the new key.
    await enforcer.enforce(pu('b'))
    queues[0]!.inject({ queue: 4098, bytes: syn() })
    expect(Buffer.from(queues[0]!.verdicts.at(-1)!.payload!).toString('latin1')).not.toContain(before)
    await enforcer.stop()
    expect(() => secrets.replaceKeys([new Uint8Array(32).fill(3)])).not.toThrow()
  })
})

describe('networks', () => {
  it('flaw 17: no record is sent outside the trireme networks, also where a tuple is used again', async () => {
    await enforcer.start()
    const { queueNumber } = await enforcer.enforce(pu('a'))
    const queue = queues[0]!
    const mark = connectionMark('acl', 0)
    queue.inject({ queue: queueNumber, hook: NF_INET_LOCAL_OUT, mark, bytes: syn('198.51.100.2') })
    queue.inject({ queue: queueNumber, hook: NF_INET_LOCAL_OUT, mark, bytes: syn() })
    const [outside, inside] = queue.verdicts
    expect(outside?.payload).toBeUndefined()
    expect(inside?.payload?.length).toBeGreaterThan(200)
  })
})

describe('PUs with a network namespace each', () => {
  const netns = (contextID: string) => ({
    contextID,
    runtime: testRuntime({ isolation: { by: 'netns', path: `/proc/self/fd/${contextID}` } }),
    policy: testPolicy(),
  })

  it('are read in their namespaces, and this one is left alone', async () => {
    enforcer = newEnforcer({ namespaces: 'per-pu' })
    await enforcer.start()
    expect(queues).toEqual([])
    const first = await enforcer.enforce(netns('7'))
    const second = await enforcer.enforce(netns('8'))
    expect(first).toEqual(second)
    expect(queues.length).toBe(2)
    await enforcer.unenforce('7')
    expect(() => queues[0]!.bind(first.queueNumber)).toThrow()
  })

  it('are refused by an enforcer of this namespace, and the other way round', async () => {
    await enforcer.start()
    await expect(enforcer.enforce(netns('7'))).rejects.toThrow('isolated by netns')
    enforcer = newEnforcer({ namespaces: 'per-pu' })
    await enforcer.start()
    await expect(enforcer.enforce(pu('a'))).rejects.toThrow('isolated by cgroup-path')
  })
})
