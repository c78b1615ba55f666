import { describe, expect, it } from 'vitest'
import { ResetLimits } from './reset-limits.js'
import { halfOpen, losing } from './simulation/attacks.js'
import { CLIENT, kindOf, SERVER, twoHosts } from './simulation/scenarios.js'
import { Sources } from './sources.js'

function count(times: number, attempt: (index: number) => boolean): number {
  return Array.from({ length: times }, (_, index) => attempt(index)).filter(Boolean).length
}

describe('signatures', () => {
  const mayVerify = (sources: Sources, source: string, nowMs: number) =>
    sources.mayVerify({ source, issuer: undefined }, nowMs)

  it('are checked 200 times a second for strangers, 25 of them for one', () => {
    const sources = new Sources()
    expect(count(100, () => mayVerify(sources, 'one', 0))).toBe(25)
    expect(count(1000, index => mayVerify(sources, `source ${index}`, 0))).toBe(175)
    expect(count(1000, index => mayVerify(sources, `later ${index}`, 1000))).toBe(200)
  })

  it('of strangers who name one issuer are checked 50 times a second, so that others find room', () => {
    const sources = new Sources()
    const of = (issuer: string) => (index: number) =>
      sources.mayVerify({ source: `${issuer} ${index}`, issuer }, 0)
    expect(count(1000, of('host-a'))).toBe(50)
    expect(count(1000, of('host-b'))).toBe(50)
    // What a name has beyond a server ID's length is not looked at, and kept nowhere.
    const longNames = (index: number) => of(`${'x'.repeat(64)}${index}`)(index)
    expect(count(1000, longNames)).toBe(50)
    for (let index = 0; index < 100; index++) sources.complete(`host-a ${index}`, 'host-a', 0)
    expect(count(100, of('host-a'))).toBe(100)
  })

  it('of those who completed a handshake have a half of their own, for 10 minutes', () => {
    const sources = new Sources()
    for (let index = 0; index < 300; index++) sources.complete(`known ${index}`, 'known', 0)
    expect(count(1000, index => mayVerify(sources, `source ${index}`, 1))).toBe(200)
    expect(count(300, index => mayVerify(sources, `known ${index}`, 1))).toBe(200)
    expect(sources.hasCompleted('known 1', 599_999)).toBe(true)
    expect(sources.hasCompleted('known 1', 600_000)).toBe(false)
  })

  it('are 100 a second for one who did: he takes nothing from the others', () => {
    const sources = new Sources()
    for (const source of ['one', 'other']) sources.complete(source, source, 0)
    expect(count(1000, () => mayVerify(sources, 'one', 0))).toBe(100)
    expect(count(50, () => mayVerify(sources, 'other', 0))).toBe(50)
  })
})

it('resets are 100 a second for each PU', () => {
  const limits = new ResetLimits()
  expect(count(300, () => limits.take('web', 0))).toBe(100)
  expect(count(300, () => limits.take('db', 0))).toBe(100)
  expect(count(300, () => limits.take(undefined, 0))).toBe(100)
  expect(count(300, () => limits.take('web', 500))).toBe(50)
})

describe('SYN-ACKs to a source that never completed a handshake', () => {
  it('leave once and three times again, until its SYN comes again', async () => {
    const { network, server, syn, socket } = await halfOpen()
    socket.vanish()
    network.tamper = () => []
    network.run(70_000)
    const answers = () => network.sent.filter(bytes => kindOf(bytes) === 'syn-ack').length
    expect(answers()).toBe(4)
    expect(server.counters('web')['drop.overload']).toBeGreaterThan(0)
    const before = answers()
    network.inject(syn)
    expect(answers()).toBe(before + 1)
  })

  it('are not counted against one that did', async () => {
    const { network, client, server } = await twoHosts()
    client.tcp.connect(CLIENT, SERVER)
    network.run(10)
    client.ports.set(40_001, 'frontend')
    network.tamper = losing('syn-ack', 'ack')
    const before = network.sent.length
    client.tcp.connect({ ...CLIENT, port: 40_001 }, SERVER).vanish()
    network.run(40_000)
    expect(network.sent.slice(before).filter(bytes => kindOf(bytes) === 'syn-ack').length).toBe(6)
    expect(server.datapath.counters.snapshot()).toEqual({})
  })
})
