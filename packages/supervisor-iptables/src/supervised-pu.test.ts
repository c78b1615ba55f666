import { describe, expect, it } from 'vitest'
import { ipRule, testPU } from './pu-fixture.js'
import { checkSupervisedPU } from './supervised-pu.js'

const enforcement = { queueNumber: 4097, epoch: 2 }

describe('a PU is refused', () => {
  it.each([
    ...[
      '',
      '/a',
      'a/',
      'a//b',
      '../a',
      'a/./b',
      'a b',
      'a"b',
      "a'b",
      'a\nb',
      'a#b',
      '-a',
      '!',
      'x'.repeat(512),
    ],
  ])('with the cgroup path %j', path => {
    const pu = testPU('web', {}, { isolation: { by: 'cgroup-path', path } })
    expect(() => checkSupervisedPU({ pu, enforcement })).toThrow(
      /PU web: isolation\.path: .* is not a path below/,
    )
  })

  it.each([
    [{ first: 2, last: 1 }],
    [{ first: -1, last: 1 }],
    [{ first: 1, last: 65536 }],
    [{ first: 1.5, last: 2 }],
  ])('with the ports %j', range => {
    const pu = testPU('web', {}, { ports: [range] })
    expect(() => checkSupervisedPU({ pu, enforcement })).toThrow(RangeError)
    const networkACLs = [ipRule('accept', ['10.0.0.0/8'], { protocol: 'tcp', ports: [range] })]
    const policed = testPU('web', { networkACLs })
    expect(() => checkSupervisedPU({ pu: policed, enforcement })).toThrow(/networkACLs: rule "test": ports: /)
  })

  it.each([
    [ipRule('accept', []), /networks: expected at least one/],
    [ipRule('accept', ['10.0.0.0/8 -j ACCEPT']), /networks: "10\.0\.0\.0\/8 -j ACCEPT" is not a CIDR/],
    [
      ipRule('accept', ['10.0.0.0/8'], { ports: [{ first: 1, last: 1 }] }),
      /any has none; expected protocol tcp or udp/,
    ],
  ])('with the rule %j', (rule, message) => {
    const pu = testPU('web', { applicationACLs: [rule] })
    expect(() => checkSupervisedPU({ pu, enforcement })).toThrow(message)
  })

  it('with a class ID or a queue out of range, and with allow-all', () => {
    const byClass = testPU('web', {}, { isolation: { by: 'net-cls', classID: 0 } })
    expect(() => checkSupervisedPU({ pu: byClass, enforcement })).toThrow(RangeError)
    const pu = testPU('web')
    expect(() => checkSupervisedPU({ pu, enforcement: { queueNumber: 65536, epoch: 2 } })).toThrow(RangeError)
    const open = testPU('web', { action: 'allow-all' })
    expect(() => checkSupervisedPU({ pu: open, enforcement })).toThrow(/not supervised/)
  })
})

it.each(['a', 'trireme.slice/pu-1.scope', 'a\\x2db@c:d+e,f=g%h~i'])('the cgroup path %j is good', path => {
  const pu = testPU('web', {}, { isolation: { by: 'cgroup-path', path } })
  expect(() => checkSupervisedPU({ pu, enforcement })).not.toThrow()
})
