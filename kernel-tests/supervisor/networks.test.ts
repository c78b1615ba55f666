import { iptablesSupervisor } from '@trireme/supervisor-iptables'
import { describe, expect, it } from 'vitest'
import { testPU } from '../../packages/supervisor-iptables/src/pu-fixture.js'
import { ADDRESSES } from './lab.js'
import { COMMANDS, FLOW_QUEUE, PU_QUEUE, SERVER_ID } from './make-supervisor.js'
import { MATRIX, PASS_ALL, PORT, seen, useScene } from './scene.js'

describe.each(MATRIX)('networks, backend $backend, $family', ({ backend, family }) => {
  const { inside, outside } = ADDRESSES[family]
  const scene = useScene(backend, family)

  it('are moved while a PU runs: where peers show an identity, and where rules over addresses decide', async () => {
    await scene.supervise()
    const queue = await scene.readQueues(PASS_ALL)
    const client = { on: 'host', cgroup: scene.cgroup() } as const
    await scene.expectRefused(client, outside[1])
    expect(seen(queue).length).toBe(0)
    await scene.supervisor().setTargetNetworks(['192.0.2.0/24', '2001:db8::/32'])
    await scene.ask(client, 'tcp', outside[1])
    expect(seen(queue)[0]).toMatchObject({ queue: PU_QUEUE, flags: 'S' })
    const before = seen(queue).length
    await scene.expectRefused(client, inside[1])
    expect(seen(queue).length).toBe(before)
  })

  it('leave failsafe ports alone, for the peers and the direction that were named', async () => {
    const peers = [`${outside[1]}/${family === 'IPv4' ? 32 : 128}`]
    const supervisor = iptablesSupervisor({ backend, netns: scene.lab().netns('host') })({
      serverID: SERVER_ID,
      filterQueue: () => ({ flowQueue: FLOW_QUEUE, commands: COMMANDS }),
      networks: {
        ...{ trireme: [], excluded: [] },
        failsafe: [{ direction: 'in', protocol: 'tcp', port: PORT, peers }],
      },
    })
    await supervisor.start()
    const isolation = { by: 'netns', path: scene.lab().netns('host') } as const
    await supervisor.supervise(testPU('pu', {}, { isolation }), {
      queueNumber: PU_QUEUE,
      epoch: COMMANDS.epoch,
    })
    await scene.serve('host', outside[0])
    await scene.serve('host', outside[0], PORT + 1)
    await scene.serve('peer', outside[1])
    expect(await scene.ask({ on: 'peer' }, 'tcp', outside[0])).toBe('echo')
    await scene.expectRefused({ on: 'peer' }, outside[0], PORT + 1)
    await scene.expectRefused({ on: 'host' }, outside[1])
  })
})
