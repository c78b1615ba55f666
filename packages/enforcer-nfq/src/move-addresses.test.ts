import { connectionMark, KernelError } from '@trireme/core'
import { testPolicy, testRuntime } from '@trireme/core/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Connection, Connections } from './connections.js'
import { inMemoryFlowJournal } from './flow-journal.js'
import type { NfqEnforcer } from './nfq-enforcer-options.js'
import { TcpPacket } from './packet/tcp-packet.js'
import { tcpPacket } from './testing/index.js'
import { NO_CONNECTIONS } from './testing/no-connections.js'
import { newTestEnforcer } from './testing/test-enforcer.js'

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
  let enforcer: NfqEnforcer
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
    enforcer = newTestEnforcer({ openConnections })
  })
  afterEach(() => enforcer.stop())

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
    enforcer = newTestEnforcer({ openConnections, journal })
    await enforcer.start()
    await enforcer.enforce(behind('c', shared))
    await enforcer.stop()
    kept = all
    enforcer = newTestEnforcer({ openConnections, journal })
    await enforcer.start()
    await enforcer.enforce(behind('c', shared))
    expect(kept).toBe(all)
    await enforcer.stop()
    enforcer = newTestEnforcer({ openConnections, journal })
    await enforcer.start()
    await enforcer.enforce(behind('d', shared))
    expect(kept).toEqual([other])
  })

  it('are refused to a new owner where the kernel does not tell what there was', async () => {
    const refusal = new KernelError({ op: 'IPCTNL_MSG_CT_GET', errno: 'EPERM' })
    enforcer = newTestEnforcer({
      openConnections: () => {
        throw refusal
      },
    })
    await enforcer.start()
    await expect(enforcer.enforce(behind('c', shared))).rejects.toBe(refusal)
  })
})
