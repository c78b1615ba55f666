import {
  compileNetworks,
  HandshakeSet,
  type PacketProcessor,
  type ProcessorOutcome,
  type ProcessorPacket,
  pskSecrets,
} from '@trireme/core'
import { newTestCollector, testPolicy, testRuntime } from '@trireme/core/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import { PUContext } from './datapath/pu-context.js'
import { Reporter } from './datapath/reporter.js'
import { hmacTokenEngine } from './datapath/simulation/hmac-token-engine.js'
import { NamespaceDatapath } from './namespace-datapath.js'
import { NF_ACCEPT, NF_DROP, NF_INET_LOCAL_IN } from './queue.js'
import { type InMemoryPacketQueue, openInMemoryPacketQueue } from './queue-in-memory.js'
import { LINUX_SYN_OPTIONS, tcpPacket } from './testing/index.js'

let queue: InMemoryPacketQueue
let errors: unknown[]

/** One PU, `web`, whose packets come on queue 4097; made anew with each processor. */
async function withProcessor(processor: PacketProcessor): Promise<NamespaceDatapath> {
  const secrets = pskSecrets({ key: new Uint8Array(32).fill(1) })
  const now = () => 1_900_000_000_000
  const onError = (error: unknown) => void errors.push(error)
  const suites = [{ secrets, tokenEngine: hmacTokenEngine(secrets) }]
  const handshakes = new HandshakeSet(suites, { serverID: 'host-a', now, onError })
  const datapath = new NamespaceDatapath({
    ...{ handshakes, now, onError, processor },
    authorization: 'mutual',
    triremeNetworks: compileNetworks(['0.0.0.0/0']),
    reporter: new Reporter(newTestCollector(), now),
    filterQueue: { flowQueue: 4096, commands: { key: 9, epoch: 0 } },
    openQueue: options => (queue = openInMemoryPacketQueue(options)),
  })
  await handshakes.add('web', { puID: 'web', tags: [] })
  datapath.setPU(4097, new PUContext({ contextID: 'web', runtime: testRuntime(), policy: testPolicy() }))
  return datapath
}

function syn(): Uint8Array {
  const ends = { source: '192.0.2.1', destination: '192.0.2.2', sourcePort: 40_000, destinationPort: 8080 }
  return tcpPacket({ ...ends, flags: ['SYN'], options: LINUX_SYN_OPTIONS })
}

function verdictOn(hook?: number) {
  queue.inject({ queue: 4097, bytes: syn(), ...(hook === undefined ? {} : { hook }) })
  return queue.verdicts.at(-1)!.verdict
}

describe('a packet processor', () => {
  beforeEach(() => {
    errors = []
  })

  it('sees each packet of its side before and after the decision', async () => {
    const calls: unknown[] = []
    const seen = (name: string) => (packet: ProcessorPacket, outcome?: ProcessorOutcome) => {
      calls.push([name, { ...packet, bytes: packet.bytes.slice() }, outcome?.verdict])
      return true
    }
    await withProcessor({
      preProcessTCPAppPacket: seen('pre app'),
      postProcessTCPAppPacket: seen('post app'),
      preProcessTCPNetPacket: seen('pre net'),
      postProcessTCPNetPacket: seen('post net'),
    })
    expect(verdictOn()).toBe(NF_ACCEPT)
    // A plain SYN from outside is denied by the PU's rules over addresses.
    verdictOn(NF_INET_LOCAL_IN)
    const packet = { contextID: 'web', bytes: syn() }
    expect(calls).toEqual([
      ['pre app', packet, undefined],
      ['post app', packet, 'accept'],
      ['pre net', packet, undefined],
      ['post net', packet, 'reject'],
    ])
  })

  it.each<[string, PacketProcessor]>([
    ['before', { preProcessTCPAppPacket: () => false }],
    ['after', { postProcessTCPAppPacket: () => false }],
  ])('may veto %s the decision', async (_, processor) => {
    const datapath = await withProcessor(processor)
    expect(verdictOn()).toBe(NF_DROP)
    expect(datapath.pu('web')?.counters.snapshot()).toMatchObject({ 'drop.processor': 1 })
  })

  it('that throws drops the packet, is counted and heard of', async () => {
    const failure = new Error('a defect')
    const datapath = await withProcessor({
      postProcessTCPAppPacket() {
        throw failure
      },
    })
    expect(verdictOn()).toBe(NF_DROP)
    expect(datapath.pu('web')?.counters.snapshot()).toMatchObject({ 'drop.processor': 1 })
    expect(errors).toEqual([failure])
  })
})
