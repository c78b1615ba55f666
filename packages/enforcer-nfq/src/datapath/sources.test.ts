import { describe, expect, it } from 'vitest'
import { ResetLimits } from './reset-limits.js'
import { halfOpen, losing } from './simulation/attacks.js'
import { CLIENT, kindOf, SERVER, twoHosts } from './simulation/scenarios.js'
import { Sources } from './sources.js'

function count(times: number, attempt: (index: number) => boolean): number {
  return Array.from({ length: times }, (_, index) => attempt(index)).filter(Boolean).length
}

describe('signatures', () => {
  it('are checked 200 times a second for strangers, 25 of them for one', () => {
    const sources = new Sources()
    expect(count(100, () => sources.mayVerify('one', 0))).toBe(25)
    expect(count(1000, index => sources.mayVerify(`source ${index}`, 0))).toBe(175)
    expect(count(1000, index => sources.mayVerify(`later ${index}`, 1000))).toBe(200)
  })

  it('of those who completed a handshake have a half of their own, for 10 minutes', () => {
    const sources = new Sources()
    for (let index = 0; index < 300; index++) sources.complete(`known ${index}`, 0)
    expect(count(1000, index => sources.mayVerify(`source ${index}`, 1))).toBe(200)
    expect(count(300, index => sources.mayVerify(`known ${index}`, 1))).toBe(200)
    expect(sources.hasCompleted('known 1', 599_999)).toBe(true)
    expect(sources.hasCompleted('known 1', 600_000)).toBe(false)
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
