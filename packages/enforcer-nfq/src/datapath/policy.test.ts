import type { TagSelector } from '@trireme/core'
import { describe, expect, it } from 'vitest'
import { tcpPacket } from '../testing/index.js'
import {
  appRule,
  CLIENT,
  frontend,
  kindOf,
  parsed,
  SERVER,
  stateAt,
  twoHosts,
  web,
} from './simulation/scenarios.js'

describe('step 2: the receiver decides', () => {
  it('a denial is a reset in milliseconds, and says which rule was nearest', async () => {
    const { network, client, server } = await twoHosts({
      server: web({ receiverRules: [appRule('accept', 'admin')] }),
    })
    const socket = client.tcp.connect(CLIENT, SERVER)
    network.run(10)
    expect(socket.error).toBe('ECONNREFUSED')
    expect(network.sent.map(kindOf)).toEqual(['syn', 'rst'])
    expect(server.records).toEqual([
      expect.objectContaining({
        verdict: 'reject',
        reason: 'policy',
        rule: expect.stringMatching(/^default deny \(nearest rule accept-admin/),
      }),
    ])
    expect(server.tcp.accepted).toEqual([])
  })

  it('a reject rule beats an accept rule', async () => {
    const receiverRules = [appRule('accept', 'frontend'), appRule('reject', 'frontend')]
    const { network, client, server } = await twoHosts({ server: web({ receiverRules }) })
    const socket = client.tcp.connect(CLIENT, SERVER)
    network.run(10)
    expect(socket.error).toBe('ECONNREFUSED')
    expect(server.records[0]).toMatchObject({ rule: 'reject-frontend', reason: 'policy' })
  })

  it('deny: drop says nothing', async () => {
    const { network, client } = await twoHosts({ server: web({ receiverRules: [], denyWith: 'drop' }) })
    const socket = client.tcp.connect(CLIENT, SERVER)
    network.run(70_000)
    expect(socket.error).toBe('ETIMEDOUT')
    expect(new Set(network.sent.map(kindOf))).toEqual(new Set(['syn']))
  })

  it.each([
    ['another pre-shared key', { psk: 8 }, 'token'],
    [
      'another encoding',
      { engine: (engine: object) => ({ ...engine, encodingCode: 13 }) as never },
      'encoding',
    ],
  ] as const)('%s: never answered, reported, also in observe', async (_, clientHost, reason) => {
    for (const mode of ['enforce', 'observe'] as const) {
      const networkACLs = [
        { name: 'all', networks: ['0.0.0.0/0'], ports: [], protocol: 'any', action: 'accept' } as const,
      ]
      const { network, client, server } = await twoHosts({ clientHost, server: web({ mode, networkACLs }) })
      const socket = client.tcp.connect(CLIENT, SERVER)
      network.run(70_000)
      expect(socket.error).toBe('ETIMEDOUT')
      expect(new Set(network.sent.map(kindOf))).toEqual(new Set(['syn']))
      expect(server.records[0]).toMatchObject({ verdict: 'reject', reason, observed: false })
      expect(server.counters('web')).toMatchObject({ [`drop.${reason}`]: 6 })
      expect(server.tcp.accepted).toEqual([])
    }
  })

  it('a SYN without overlay: denied, but for a network ACL or observe mode', async () => {
    const acl = {
      name: 'office',
      networks: ['192.0.2.0/24'],
      ports: [{ first: 8080, last: 8080 }],
      protocol: 'tcp',
    }
    const run = async (policy: Parameters<typeof web>[0]) => {
      const { network, client, server } = await twoHosts({
        clientHost: { isEnforced: false },
        server: web(policy),
      })
      const socket = client.tcp.connect(CLIENT, SERVER)
      socket.write('hello')
      network.run(100)
      return { socket, server, record: server.records[0], peer: server.tcp.accepted[0] }
    }
    const denied = await run({})
    expect(denied.socket.error).toBe('ECONNREFUSED')
    expect(denied.record).toMatchObject({
      reason: 'stripped-or-unenforced',
      rule: 'default deny',
      source: { id: '' },
    })
    const rejected = await run({ networkACLs: [{ ...acl, protocol: 'tcp', action: 'reject' }] })
    expect(rejected.socket.error).toBe('ECONNREFUSED')
    expect(rejected.record).toMatchObject({ reason: 'policy', rule: 'office' })
    const allowed = await run({ networkACLs: [{ ...acl, protocol: 'tcp', action: 'accept' }] })
    expect(allowed.peer!.received.toString()).toBe('hello')
    expect(stateAt(allowed.server)).toBe('acl')
    expect(allowed.record).toMatchObject({ verdict: 'accept', reason: '', rule: 'office', observed: false })
    const observed = await run({ mode: 'observe' })
    expect(observed.peer!.received.toString()).toBe('hello')
    expect(observed.record).toMatchObject({
      verdict: 'accept',
      reason: 'stripped-or-unenforced',
      observed: true,
    })
  })
})

describe('steps 3 and 4: the answer', () => {
  it('a resend carries the same overlay', async () => {
    const { network, client } = await twoHosts()
    network.tamper = bytes => (kindOf(bytes) === 'syn-ack' ? [] : [{ bytes, delayMs: 1 }])
    client.tcp.connect(CLIENT, SERVER)
    network.run(800)
    network.run(3000)
    const answers = network.sent
      .filter(bytes => kindOf(bytes) === 'syn-ack')
      .map(bytes => [...parsed(bytes).payload()])
    expect(answers.length).toBeGreaterThan(2)
    expect(new Set(answers.map(String)).size).toBe(1)
  })

  it('a server that the transmitter rules do not allow: refused at once, and the server hears of it', async () => {
    const { network, client, server } = await twoHosts({ client: frontend({ transmitterRules: [] }) })
    const socket = client.tcp.connect(CLIENT, SERVER)
    network.run(10)
    expect(socket.error).toBe('ECONNREFUSED')
    expect(client.records).toEqual([expect.objectContaining({ verdict: 'reject', reason: 'policy' })])
    network.run(2000)
    expect(server.tcp.accepted[0]!.error).toBe('ECONNRESET')
    expect(client.records).toHaveLength(1)
  })

  it('deny: drop at the client: the PU never takes a resend for an answer', async () => {
    const { network, client, server } = await twoHosts({
      client: frontend({ transmitterRules: [], denyWith: 'drop' }),
    })
    const socket = client.tcp.connect(CLIENT, SERVER)
    for (let second = 0; second < 60; second++) {
      network.run(1000)
      expect(socket.state).toBe('syn-sent')
    }
    network.run(20_000)
    expect(socket.error).toBe('ETIMEDOUT')
    expect(server.tcp.accepted.every(peer => peer.state !== 'established')).toBe(true)
  })

  it('receiver-only: the transmitter rules are not asked', async () => {
    const { network, client } = await twoHosts({
      client: frontend({ transmitterRules: [] }),
      clientHost: { authorization: 'receiver' },
    })
    const socket = client.tcp.connect(CLIENT, SERVER)
    network.run(10)
    expect(socket.state).toBe('established')
    expect(client.records[0]).toMatchObject({ verdict: 'accept', rule: '' })
  })

  it('a server without an enforcer: refused, but for an application ACL or observe mode', async () => {
    const acl = {
      name: 'legacy',
      networks: ['192.0.2.2/32'],
      ports: [],
      protocol: 'tcp',
      action: 'accept',
    } as const
    const run = async (policy: Parameters<typeof frontend>[0]) => {
      const { network, client, server } = await twoHosts({
        serverHost: { isEnforced: false },
        client: frontend(policy),
      })
      const socket = client.tcp.connect(CLIENT, SERVER)
      // A plain server ignores the payload of a SYN, and its kernel is not ours to guard.
      server.tcp.violations.length = 0
      socket.write('hello')
      network.run(3000)
      return { client, socket, record: client.records[0], peer: server.tcp.accepted[0] }
    }
    const denied = await run({})
    expect(denied.socket.error).toBe('ECONNREFUSED')
    expect(denied.record).toMatchObject({ reason: 'stripped-or-unenforced', destination: { id: '' } })
    expect(denied.peer!.received.length).toBe(0)
    const allowed = await run({ applicationACLs: [acl] })
    expect(allowed.peer!.received.toString()).toBe('hello')
    expect(stateAt(allowed.client)).toBe('acl')
    expect(allowed.record).toMatchObject({ verdict: 'accept', rule: 'legacy', observed: false })
    const observed = await run({ mode: 'observe' })
    expect(observed.peer!.received.toString()).toBe('hello')
    expect(observed.record).toMatchObject({ verdict: 'accept', observed: true })
  })

  it('observe: what the rules would deny passes and is reported, and weakens nobody else', async () => {
    const observing = await twoHosts({
      server: web({ receiverRules: [], mode: 'observe' }),
      client: frontend({ transmitterRules: [], mode: 'observe' }),
    })
    const socket = observing.client.tcp.connect(CLIENT, SERVER)
    observing.network.run(10)
    expect(socket.state).toBe('established')
    for (const host of [observing.client, observing.server])
      expect(host.records).toEqual([
        expect.objectContaining({ verdict: 'accept', reason: 'policy', observed: true }),
      ])
    const half = await twoHosts({
      server: web({ receiverRules: [], mode: 'observe' }),
      client: frontend({ transmitterRules: [] }),
    })
    const refused = half.client.tcp.connect(CLIENT, SERVER)
    half.network.run(10)
    expect(refused.error).toBe('ECONNREFUSED')
  })

  it('observe per rule', async () => {
    const rule = { ...appRule('reject', 'frontend'), mode: 'observe' as const }
    const outcome = async (...receiverRules: TagSelector[]) => {
      const { network, client, server } = await twoHosts({ server: web({ receiverRules }) })
      const socket = client.tcp.connect(CLIENT, SERVER)
      network.run(10)
      expect(socket.state).toBe('established')
      return server.records[0]
    }
    expect(await outcome(rule)).toMatchObject({ rule: 'reject-frontend', reason: 'policy', observed: true })
    const allowed = { rule: 'accept-frontend', reason: '', observed: false, wouldReject: 'reject-frontend' }
    expect(await outcome(rule, appRule('accept', 'frontend'))).toMatchObject(allowed)
  })

  it('a bare ACK passes before MAC_s, so that the old socket behind it can be reset', async () => {
    const { network, client } = await twoHosts()
    network.tamper = bytes => (kindOf(bytes) === 'syn' ? [] : [{ bytes, delayMs: 1 }])
    const socket = client.tcp.connect(CLIENT, SERVER)
    const down = {
      source: SERVER.address,
      sourcePort: 8080,
      destination: CLIENT.address,
      destinationPort: 40_000,
    }
    network.inject(tcpPacket({ ...down, flags: ['ACK'], sequence: 77, acknowledgement: 88 }))
    expect(kindOf(network.sent.at(-1)!)).toBe('rst')
    network.inject(tcpPacket({ ...down, flags: ['ACK'], sequence: 77, acknowledgement: 88, payload: 'x' }))
    expect(client.counters('frontend')).toMatchObject({ 'drop.state': 1 })
    expect(socket.state).toBe('syn-sent')
  })

  it('a simultaneous open is no way around the transmitter rules', async () => {
    const policy = { transmitterRules: [], receiverRules: [appRule('accept', 'web')] }
    const { network, client, server } = await twoHosts({ client: frontend(policy) })
    network.tamper = bytes => [{ bytes, delayMs: 5 }]
    server.tcp.connect(SERVER, CLIENT)
    client.tcp.connect(CLIENT, SERVER)
    network.run(7)
    expect(client.counters('frontend')).toEqual({ 'drop.state': 1 })
    expect(client.datapath.stats().handshakes).toBe(1)
  })
})
