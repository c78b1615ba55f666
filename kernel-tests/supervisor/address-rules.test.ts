import { connectionMark } from '@trireme/core'
import { describe, expect, it } from 'vitest'
import { ipRule, testPU } from '../../packages/supervisor-iptables/src/pu-fixture.js'
import { ADDRESSES } from './lab.js'
import { COMMANDS, FLOW_QUEUE, PU_QUEUE } from './make-supervisor.js'
import { MATRIX, PASS_ALL, PORT, seen, useScene } from './scene.js'

describe.each(MATRIX)('backend $backend, $family', ({ backend, family }) => {
  const { outside, loopback } = ADDRESSES[family]
  const scene = useScene(backend, family)
  const { supervise, serve, ask, expectRefused, readQueues } = scene

  it('refuse a PU’s connection at once by default, and drop it where the policy says so', async () => {
    await supervise()
    await serve('peer', outside[1])
    await expectRefused({ on: 'host', cgroup: scene.cgroup() }, outside[1])
    await supervise({ denyWith: 'drop' })
    expect(await ask({ on: 'host', cgroup: scene.cgroup() }, 'tcp', outside[1])).toBe('timeout')
  })

  it('refuse a connection to a PU at once by default', async () => {
    await supervise()
    await serve('host', outside[0], PORT, scene.cgroup())
    await expectRefused({ on: 'peer' }, outside[0])
    await expectRefused({ on: 'host' }, outside[0])
  })

  it('allow what they accept, out and in, and reject before they accept', async () => {
    await supervise({
      applicationACLs: [
        ipRule('accept', [outside[1]], { protocol: 'tcp', ports: [{ first: PORT, last: PORT }] }),
      ],
      networkACLs: [ipRule('accept', [`${outside[1]}`], { protocol: 'tcp' })],
    })
    await serve('peer', outside[1])
    await serve('host', outside[0], PORT, scene.cgroup())
    await readQueues(PASS_ALL)
    expect(await ask({ on: 'host', cgroup: scene.cgroup() }, 'tcp', outside[1])).toBe('echo')
    await expectRefused({ on: 'host', cgroup: scene.cgroup() }, outside[1], PORT + 1)
    expect(await ask({ on: 'peer' }, 'tcp', outside[0])).toBe('echo')
    const both = [ipRule('accept', [outside[1]]), ipRule('reject', [outside[1]], { protocol: 'tcp' })]
    await supervise({ applicationACLs: both, networkACLs: both })
    await expectRefused({ on: 'host', cgroup: scene.cgroup() }, outside[1])
    await expectRefused({ on: 'peer' }, outside[0])
  })

  it('need the queue for SYN and SYN-ACK alone', async () => {
    await supervise({ applicationACLs: [ipRule('accept', [outside[1]])] })
    await serve('peer', outside[1])
    const queue = await readQueues(PASS_ALL)
    expect(await ask({ on: 'host', cgroup: scene.cgroup() }, 'tcp', outside[1])).toBe('echo')
    expect(seen(queue)).toEqual([
      { queue: FLOW_QUEUE, flags: 'SA', hook: 1, mark: connectionMark('acl', COMMANDS.epoch) },
    ])
  })

  it('let a PU reach a local server that is no PU', async () => {
    await supervise({ applicationACLs: [ipRule('accept', [outside[0], loopback])] })
    for (const address of [outside[0], loopback]) {
      await serve('host', address, PORT + 1)
      await readQueues(PASS_ALL)
      for (const command of ['tcp', 'udp']) {
        expect(await ask({ on: 'host', cgroup: scene.cgroup() }, command, address, PORT + 1)).toBe('echo')
      }
      await scene.lab().hush()
    }
  })

  it('decide over UDP in either direction', async () => {
    await supervise()
    await serve('peer', outside[1])
    await serve('host', outside[0], PORT, scene.cgroup())
    expect(await ask({ on: 'host', cgroup: scene.cgroup() }, 'udp', outside[1])).not.toBe('echo')
    expect(await ask({ on: 'peer' }, 'udp', outside[0])).toBe('ECONNREFUSED')
    await supervise({ denyWith: 'drop' })
    expect(await ask({ on: 'peer' }, 'udp', outside[0])).toBe('timeout')
    const networks = [outside[1]]
    await supervise({ applicationACLs: [ipRule('accept', networks, { protocol: 'udp' })] })
    expect(await ask({ on: 'host', cgroup: scene.cgroup() }, 'udp', outside[1])).toBe('echo')
    expect(await ask({ on: 'peer' }, 'udp', outside[0])).toBe('ECONNREFUSED')
    await supervise({ networkACLs: [ipRule('accept', networks, { protocol: 'udp' })] })
    expect(await ask({ on: 'host', cgroup: scene.cgroup() }, 'udp', outside[1])).not.toBe('echo')
    expect(await ask({ on: 'peer' }, 'udp', outside[0])).toBe('echo')
  })

  it('of one PU do not open another on the same host', async () => {
    const client = scene.lab().cgroup('client')
    await supervise()
    const pu = testPU(
      'client',
      { applicationACLs: [ipRule('accept', [outside[0]])] },
      { isolation: { by: 'cgroup-path', path: client } },
    )
    await scene.supervisor().supervise(pu, { queueNumber: PU_QUEUE + 1, epoch: COMMANDS.epoch })
    await serve('host', outside[0], PORT, scene.cgroup())
    expect(await ask({ on: 'host', cgroup: client }, 'udp', outside[0])).toBe('ECONNREFUSED')
    expect(await ask({ on: 'host', cgroup: client }, 'tcp', outside[0])).toBe('timeout')
    await supervise({ networkACLs: [ipRule('accept', [outside[0]], { protocol: 'udp' })] })
    expect(await ask({ on: 'host', cgroup: client }, 'udp', outside[0])).toBe('echo')
  })

  it('decide over ICMP; observe mode denies nothing', async () => {
    await supervise()
    expect(await ask({ on: 'host', cgroup: scene.cgroup() }, 'ping', outside[1])).not.toBe('echo')
    await supervise({ applicationACLs: [ipRule('accept', [outside[1]], { protocol: 'icmp' })] })
    expect(await ask({ on: 'host', cgroup: scene.cgroup() }, 'ping', outside[1])).toBe('echo')
    await supervise({ mode: 'observe' })
    await serve('peer', outside[1])
    await readQueues(PASS_ALL)
    for (const command of ['ping', 'udp', 'tcp']) {
      expect(await ask({ on: 'host', cgroup: scene.cgroup() }, command, outside[1])).toBe('echo')
    }
  })

  it('decide over everything in a network namespace of the PU’s own', async () => {
    const isolation = { by: 'netns', path: scene.lab().netns('host') } as const
    await supervise({}, { isolation, ports: [] })
    await serve('host', outside[0])
    expect(await ask({ on: 'peer' }, 'ping', outside[0])).toBe('timeout')
    expect(await ask({ on: 'peer' }, 'udp', outside[0])).toBe('ECONNREFUSED')
    await expectRefused({ on: 'peer' }, outside[0])
    await expectRefused({ on: 'host' }, outside[1])
    // The neighbour is found anew: what IPv6 needs for that passes.
    await scene.lab().run('host', 'ip', 'neighbour', 'flush', 'dev', 'v0')
    await supervise(
      { networkACLs: [ipRule('accept', [outside[1]], { protocol: 'icmp' })] },
      { isolation, ports: [] },
    )
    expect(await ask({ on: 'peer' }, 'ping', outside[0])).toBe('echo')
    // The error for a closed UDP port belongs to a flow that is allowed.
    await supervise({ applicationACLs: [ipRule('accept', [outside[1]])] }, { isolation, ports: [] })
    expect(await ask({ on: 'host' }, 'udp', outside[1])).toBe('ECONNREFUSED')
  })
})
