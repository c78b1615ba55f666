import {
  compileNetworks,
  HandshakeSet,
  PACKET_MARK_MASK,
  type PUPolicy,
  parseAddress,
  pskSecrets,
  refuseCommand,
  setStateCommand,
} from '@trireme/core'
import { newTestCollector, testPolicy, testRuntime } from '@trireme/core/testing'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Connections, type ConnectionsOptions, withSocketsOf } from './connections.js'
import { PUContext } from './datapath/pu-context.js'
import { PUTable } from './datapath/pu-table.js'
import { Reporter } from './datapath/reporter.js'
import { hmacTokenEngine } from './datapath/simulation/hmac-token-engine.js'
import { NamespaceDatapath } from './namespace-datapath.js'
import {
  NF_ACCEPT,
  NF_DROP,
  NF_INET_LOCAL_IN,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  NF_REPEAT,
} from './queue.js'
import { type InMemoryPacketQueue, openInMemoryPacketQueue } from './queue-in-memory.js'
import { LINUX_SYN_OPTIONS, type TcpDescription, tcpPacket } from './testing/index.js'
import { NO_CONNECTIONS } from './testing/no-connections.js'

const flowQueue = 4096
const commands = { key: 9, epoch: 5 }
const FOREIGN = 0x000a_bcde

let queue: InMemoryPacketQueue
let errors: unknown[]
let datapath: NamespaceDatapath
let collector = newTestCollector()

beforeEach(async () => {
  errors = []
  collector = newTestCollector()
  const secrets = pskSecrets({ key: new Uint8Array(32).fill(1) })
  const now = () => 1_900_000_000_000
  const onError = (error: unknown) => void errors.push(error)
  const handshakes = new HandshakeSet([{ secrets, tokenEngine: hmacTokenEngine(secrets) }], {
    serverID: 'host-a',
    now,
    onError,
  })
  datapath = new NamespaceDatapath({
    handshakes,
    authorization: 'mutual',
    triremeNetworks: compileNetworks(['0.0.0.0/0', '::/0']),
    reporter: new Reporter(collector, now),
    filterQueue: { flowQueue, commands },
    now,
    onError,
    openConnections: () => NO_CONNECTIONS,
    openQueue: options => (queue = openInMemoryPacketQueue(options)),
  })
  await handshakes.add('pu', { puID: 'web', tags: [] })
  datapath.setPU(4097, context())
})

afterEach(() => datapath.close())

function context(policy: Partial<PUPolicy> = {}): PUContext {
  return new PUContext({ contextID: 'pu', runtime: testRuntime(), policy: { ...testPolicy(), ...policy } })
}

function syn(differences: Partial<TcpDescription> = {}): Uint8Array {
  const ends = { source: '192.0.2.1', destination: '192.0.2.2', sourcePort: 40_000, destinationPort: 8080 }
  return tcpPacket({ ...ends, flags: ['SYN'], options: LINUX_SYN_OPTIONS, ...differences })
}

function verdictOn(packet: Parameters<InMemoryPacketQueue['inject']>[0]) {
  queue.inject(packet)
  return queue.verdicts.at(-1)!
}

describe('verdicts and marks', () => {
  it('accept keeps foreign bits and takes the private field away', () => {
    const verdict = verdictOn({ queue: 4097, bytes: syn(), mark: FOREIGN })
    expect(verdict).toMatchObject({ verdict: NF_ACCEPT, mark: FOREIGN })
    expect(verdict.payload!.length).toBeGreaterThan(syn().length)
  })

  it('a new state goes by NF_REPEAT with the command of this start', () => {
    const networkACLs = [
      { name: 'all', networks: ['0.0.0.0/0'], ports: [], protocol: 'tcp', action: 'accept' } as const,
    ]
    datapath.setPU(4097, context({ networkACLs }))
    const verdict = verdictOn({ queue: 4097, hook: NF_INET_LOCAL_IN, bytes: syn(), mark: FOREIGN })
    expect(verdict.verdict).toBe(NF_REPEAT)
    expect(verdict.mark).toBe(FOREIGN + setStateCommand(commands, 'acl'))
  })

  it('a refusal is accepted with the command to reject', () => {
    const verdict = verdictOn({ queue: 4097, hook: NF_INET_LOCAL_IN, bytes: syn(), mark: FOREIGN })
    expect(verdict).toMatchObject({ verdict: NF_ACCEPT, mark: FOREIGN + refuseCommand(commands) })
    expect(datapath.pu('pu')!.counters.snapshot()).toEqual({ 'drop.stripped-or-unenforced': 1, rejected: 1 })
  })

  it('a drop is counted at the PU, or beside all PUs', () => {
    expect(verdictOn({ queue: 4097, bytes: new Uint8Array(3) }).verdict).toBe(NF_DROP)
    expect(verdictOn({ queue: flowQueue, bytes: syn() }).verdict).toBe(NF_DROP)
    expect(datapath.pu('pu')!.counters.snapshot()).toEqual({ 'drop.format': 1 })
    expect(datapath.counters.snapshot()).toEqual({ 'drop.context': 1 })
  })

  it('a packet of which only a beginning came is dropped', () => {
    expect(verdictOn({ queue: 4097, bytes: syn(), isTruncated: true }).verdict).toBe(NF_DROP)
  })

  it('a segment of an unknown flow is answered with a reset, a hundred times a second at most', () => {
    const handshake = setStateCommand({ key: 0, epoch: 5 }, 'handshake')
    const bytes = syn({ flags: ['ACK'], options: [] })
    const marks = Array.from(
      { length: 150 },
      () => verdictOn({ queue: flowQueue, hook: NF_INET_LOCAL_IN, bytes, mark: handshake }).mark,
    )
    expect(marks.filter(mark => mark === refuseCommand(commands))).toHaveLength(100)
    // Those that were answered, too, and at the PU whose port it is.
    expect(datapath.pu('pu')!.counters.snapshot()).toEqual({ 'drop.mid-stream': 150, rejected: 150 })
  })

  it.each(['auth', 'acl'] as const)(
    'in state %s: this epoch passes, another is reset or waits to be settled',
    state => {
      const bytes = syn({ flags: ['ACK'], options: [] })
      const mark = (epoch: number) => setStateCommand({ key: 0, epoch }, state)
      const common = { queue: flowQueue, hook: NF_INET_LOCAL_IN, bytes }
      expect(verdictOn({ ...common, mark: mark(5) })).toMatchObject({ verdict: NF_ACCEPT, mark: 0 })
      const other = verdictOn({ ...common, mark: mark(6) })
      expect(other).toMatchObject(state === 'acl' ? { verdict: NF_DROP } : { mark: refuseCommand(commands) })
    },
  )

  it('in state sent without a flow: the client’s own segments pass, nobody else’s', () => {
    const mark = setStateCommand({ key: 0, epoch: 5 }, 'sent')
    const bytes = syn({ flags: ['ACK'], options: [] })
    expect(verdictOn({ queue: flowQueue, hook: NF_INET_LOCAL_OUT, bytes, mark })).toMatchObject({ mark: 0 })
    expect(verdictOn({ queue: flowQueue, hook: NF_INET_LOCAL_IN, bytes, mark }).mark).toBe(
      refuseCommand(commands),
    )
    const withOption = syn({ flags: ['ACK'], options: ['overlay'], payload: 'x' })
    const verdict = verdictOn({ queue: flowQueue, hook: NF_INET_LOCAL_OUT, bytes: withOption, mark })
    expect(verdict.mark).toBe(refuseCommand(commands))
  })
})

describe('PUs behind interfaces', () => {
  const addresses = ['192.0.2.1', '192.0.2.2']
  beforeEach(() => {
    for (const [i, address] of addresses.entries()) datapath.setPU(4097 + i, behind(`pu${i}`, address))
  })

  it('send through PREROUTING, and what they get is refused in FORWARD but lost in POSTROUTING', () => {
    datapath.setPU(4097, context())
    const sent = verdictOn({ queue: 4097, hook: NF_INET_PRE_ROUTING, bytes: syn() })
    expect(sent.payload!.length).toBeGreaterThan(syn().length)
    const FORWARD = 2
    const common = { queue: 4098, bytes: syn(), mark: FOREIGN }
    const refused = { verdict: NF_ACCEPT, mark: FOREIGN + refuseCommand(commands) }
    expect(verdictOn({ ...common, hook: FORWARD })).toMatchObject(refused)
    expect(verdictOn({ ...common, hook: NF_INET_POST_ROUTING }).verdict).toBe(NF_DROP)
  })

  it('share an entry with each other: nobody is released there', () => {
    const mark = setStateCommand({ key: 0, epoch: 5 }, 'sent')
    const segment = (destination: string) => syn({ flags: ['ACK'], options: [], destination })
    const common = { queue: flowQueue, hook: NF_INET_PRE_ROUTING, mark }
    expect(verdictOn({ ...common, bytes: segment('192.0.2.2') }).mark).toBe(refuseCommand(commands))
    expect(verdictOn({ ...common, bytes: segment('192.0.2.3') }).mark).toBe(0)
  })

  it('are found by their addresses, whatever the port, and no other by its port there', () => {
    const table = new PUTable()
    const [behindOne, process] = [behind('one', '192.0.2.1'), context()]
    table.set(1, process)
    table.set(2, behindOne)
    const [own, other] = ['192.0.2.1', '192.0.2.9'].map(parseAddress)
    expect(table.byEnd(own!, 8080)).toBe(behindOne)
    expect(table.byEnd(other!, 8080)).toBe(process)
    expect(table.byEnd(other!, 80)).toBeUndefined()
    table.remove(2, 'one')
    expect(table.hasAddresses).toBe(false)
  })

  it('have each address for the last that got it', () => {
    const table = new PUTable()
    const address = parseAddress('192.0.2.1')
    const [first, second] = [behind('first', '192.0.2.1'), behind('second', '192.0.2.1')]
    table.set(1, first)
    table.set(2, second)
    table.set(1, first)
    expect(table.byAddress(address)).toBe(second)
    table.set(1, behind('first', '192.0.2.2'))
    table.set(1, first)
    expect(table.byAddress(address)).toBe(first)
  })

  it('have their sockets asked for in their own namespaces, and end where they are', () => {
    const ended: string[] = []
    const open = ({ netns = 'host' }: ConnectionsOptions): Connections => {
      const end: Connections['end'] = sockets => {
        ended.push(...sockets.map(({ key }) => `${key} in ${netns}`))
        return true
      }
      return { ...NO_CONNECTIONS, sockets: () => [{ key: netns }], end }
    }
    const all = withSocketsOf(open({}), [open({ netns: '/a' })])
    expect(all.sockets()).toEqual([{ key: 'host' }, { key: '/a' }])
    all.end(all.sockets().filter(({ key }) => key === '/a'))
    expect(ended).toEqual(['/a in /a'])
  })
})

function behind(contextID: string, address: string): PUContext {
  const interfaces = [{ name: 'veth1', bridge: 'docker0', addresses: [address] }]
  const runtime = testRuntime({
    ports: [],
    isolation: { by: 'interfaces', interfaces, netns: '/proc/1/fd/9' },
  })
  return new PUContext({ contextID, runtime, policy: testPolicy() })
}

it('flaw 13: a reset that is queued all the same passes, in every state of a client and of a server', () => {
  const mark = setStateCommand({ key: 0, epoch: 5 }, 'handshake')
  verdictOn({ queue: 4097, bytes: syn() })
  const back = {
    source: '192.0.2.2',
    destination: '192.0.2.1',
    sourcePort: 8080,
    destinationPort: 40_000,
    options: [],
  }
  for (const flags of [['RST'], ['RST', 'ACK']] as const) {
    for (const [hook, ends] of [
      [NF_INET_LOCAL_IN, back],
      [NF_INET_LOCAL_OUT, { options: [] }],
    ] as const) {
      const verdict = verdictOn({ queue: flowQueue, hook, bytes: syn({ ...ends, flags }), mark })
      expect(verdict).toMatchObject({ verdict: NF_ACCEPT, mark: 0, payload: undefined })
    }
  }
})

describe('flaw 8: no packet stops the process', () => {
  it.each([
    ['IP options', syn({ ipOptions: Uint8Array.of(7, 3, 4, 0) }), NF_ACCEPT],
    ['IP options that are cut off', syn({ ipOptions: Uint8Array.of(7, 40, 4, 0) }), NF_DROP],
    ['data offset 15 on a 40-byte segment', syn({ dataOffset: 15 }), NF_DROP],
    ['data offset 0', syn({ dataOffset: 0 }), NF_DROP],
    ['a total length of 0', syn({ ipLength: 0 }), NF_DROP],
    ['a total length beyond the packet', syn({ ipLength: 65_535 }), NF_DROP],
    ['nothing at all', new Uint8Array(0), NF_DROP],
  ])('flaw 8: %s', (_, bytes, expected) => {
    expect(verdictOn({ queue: 4097, bytes }).verdict).toBe(expected)
    expect(errors).toEqual([])
  })

  it('flaw 8: overlays of 0 to 80 bytes whose length field says 0 to 80, in every place', () => {
    for (let length = 0; length <= 80; length++) {
      for (const said of [length, 0, 1, 7, 8, 21, 40]) {
        const payload = new Uint8Array(length)
        payload.set(Uint8Array.of(0x54, 0x52, 1, 1, 0x1e, 0, 0, said).subarray(0, length))
        for (const flags of [['SYN'], ['SYN', 'ACK'], ['ACK']] as const) {
          if (length > 3) payload[3] = flags.length === 2 ? 2 : flags[0] === 'SYN' ? 1 : 3
          const bytes = syn({ flags, options: ['overlay'], payload })
          const at = flags.length === 1 && flags[0] === 'SYN' ? 4097 : flowQueue
          expect(verdictOn({ queue: at, hook: NF_INET_LOCAL_IN, bytes }).verdict).toBe(
            flags[0] === 'ACK' && datapathResets() ? NF_ACCEPT : NF_DROP,
          )
        }
      }
    }
    expect(errors).toEqual([])
  })

  it('flaw 8: any bytes under any mark: a verdict each, none with a command but for a reset or a new connection', () => {
    const noise = fc.uint8Array({ maxLength: 120 })
    const mutated = fc
      .tuple(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.boolean())
      .map(([changes, isSyn]) => {
        const bytes = syn(isSyn ? {} : { flags: ['ACK'], options: ['overlay'], payload: new Uint8Array(40) })
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        return bytes
      })
    const hook = fc.constantFrom(NF_INET_LOCAL_IN, NF_INET_LOCAL_OUT)
    const mark = fc.nat(0x07ff_ffff)
    const where = fc.constantFrom(flowQueue, 4097)
    fc.assert(
      fc.property(fc.oneof(noise, mutated), hook, mark, where, (bytes, at, packetMark, number) => {
        const before = queue.verdicts.length
        const verdict = verdictOn({ queue: number, hook: at, bytes, mark: packetMark })
        expect(queue.verdicts.length).toBe(before + 1)
        expect(errors).toEqual([])
        const field = ((verdict.mark ?? 0) & PACKET_MARK_MASK) >>> 0
        expect([0, refuseCommand(commands), setStateCommand(commands, 'handshake')]).toContain(field)
      }),
      { numRuns: 2000 },
    )
  })

  it('flaw 8: a defect behind the data path drops the packet, is told, and passes', () => {
    collector.mockCollectFlowEvent(() => {
      throw new Error('a defect')
    })
    const stranger = { queue: 4097, hook: NF_INET_LOCAL_IN, bytes: syn() }
    expect(verdictOn(stranger).verdict).toBe(NF_DROP)
    expect(errors).toEqual([new Error('a defect')])
    collector.mockCollectFlowEvent(() => {})
    expect(verdictOn(stranger).verdict).toBe(NF_ACCEPT)
  })
})

describe('PUs come and go', () => {
  it('a new policy needs no new queue', () => {
    datapath.setPU(4097, context())
    expect(datapath.pu('pu')).toBeDefined()
  })

  it('a queue that cannot be bound adds nothing', () => {
    const other = new PUContext({ contextID: 'other', runtime: testRuntime(), policy: testPolicy() })
    queue.bind(5000)
    expect(() => datapath.setPU(5000, other)).toThrow('EBUSY')
    expect(datapath.pu('other')).toBeUndefined()
  })

  it('a PU that went has no queue, no flows and no counters', () => {
    verdictOn({ queue: 4097, bytes: syn() })
    expect(datapath.stats().handshakes).toBe(1)
    datapath.removePU(4097, 'pu')
    expect(datapath.pu('pu')).toBeUndefined()
    expect(datapath.stats().handshakes).toBe(0)
    expect(() => queue.inject({ queue: 4097, bytes: syn() })).toThrow(RangeError)
  })

  it('a flow queue that cannot be bound closes what was opened', () => {
    let isClosed = false
    const openQueue = (): InMemoryPacketQueue => {
      const opened = openInMemoryPacketQueue({ onPacket: () => {}, onError: () => {} })
      opened.bind(flowQueue)
      const close = opened.close.bind(opened)
      opened.close = () => {
        isClosed = true
        close()
      }
      return opened
    }
    const secrets = pskSecrets({ key: new Uint8Array(32) })
    const now = Date.now
    const onError = () => {}
    const suites = [{ secrets, tokenEngine: hmacTokenEngine(secrets) }]
    const handshakes = new HandshakeSet(suites, { serverID: 'a', now, onError })
    const reporter = new Reporter(newTestCollector(), now)
    const triremeNetworks = compileNetworks([])
    const filterQueue = { flowQueue, commands }
    const options = { handshakes, reporter, triremeNetworks, now, onError, openQueue, filterQueue }
    expect(() => new NamespaceDatapath({ ...options, authorization: 'mutual' })).toThrow('EBUSY')
    expect(isClosed).toBe(true)
  })
})

/** Whether the last segment of an unknown flow was answered rather than dropped by the limit on answers. */
function datapathResets(): boolean {
  return queue.verdicts.at(-1)!.mark === refuseCommand(commands)
}
