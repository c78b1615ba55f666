import { describe, expect, it } from 'vitest'
import { ipRule, testPU } from '../../packages/supervisor-iptables/src/pu-fixture.js'
import { ADDRESSES, type Place } from './lab.js'
import { COMMANDS, PU_QUEUE } from './make-supervisor.js'
import { MATRIX, PORT, useScene } from './scene.js'

/** The port, or ICMP identifier, of an allowed PU's socket, that another process takes. */
const TAKEN = 40_000
/** The port of the peer's socket. */
const PEER_PORT = 41_000
const REFUSALS = ['EPERM', 'ECONNREFUSED', 'timeout', 'EACCES']

describe.each(MATRIX)('the tuple of a permitted flow, backend $backend, $family', ({ backend, family }) => {
  const { outside } = ADDRESSES[family]
  const scene = useScene(backend, family)
  const everybody = [ipRule('accept', ['0.0.0.0/0', '::/0'], { protocol: 'any' })]

  it.each(['udp', 'udplite', 'icmp'])(
    'lets no other PU go on with the %s flow that it permits',
    async protocol => {
      await scene.lab().run('host', 'sysctl', '-qw', 'net.ipv4.ping_group_range=0 2147483647')
      await scene.serve('peer', outside[1])
      await scene.supervise({ applicationACLs: everybody })
      const other = await superviseOther()
      const flow = (place: Place) => datagram(place, protocol, outside[1], PORT, TAKEN)
      expect(await flow({ on: 'host', cgroup: scene.cgroup() })).toBe('echo')
      expect(REFUSALS).toContain(await flow(other))
      await scene.supervisor().unsupervise('pu')
      expect(REFUSALS).toContain(await flow(other))
      expect(await flow({ on: 'host' })).toBe('echo')
    },
  )

  it.each(['udp'])('lets no peer go on with a %s flow to the next owner of the port', async protocol => {
    await scene.supervise({ networkACLs: everybody, applicationACLs: everybody })
    await scene.serve('host', outside[0], PORT, scene.cgroup())
    const flow = () => datagram({ on: 'peer' }, protocol, outside[0], PORT, PEER_PORT)
    expect(await flow()).toBe('echo')
    await scene.supervisor().unsupervise('pu')
    await scene.lab().hush()
    const other = await superviseOther([PORT])
    await scene.serve('host', outside[0], PORT, other.cgroup)
    expect(REFUSALS).toContain(await flow())
  })

  it('lets no peer go on with a flow that a narrower policy denies, in the same epoch', async () => {
    await scene.supervise({ networkACLs: everybody })
    await scene.serve('host', outside[0], PORT, scene.cgroup())
    const flow = () => datagram({ on: 'peer' }, 'udp', outside[0], PORT, PEER_PORT)
    expect(await flow()).toBe('echo')
    await scene.supervise()
    expect(REFUSALS).toContain(await flow())
  })

  it('lets no other PU answer in the name of the PU that was asked', async () => {
    await scene.supervise({ networkACLs: everybody })
    const served = await scene
      .lab()
      .talk({ on: 'host', cgroup: scene.cgroup() }, 'serve', outside[0], String(PORT))
    expect(served.lines[0]).toBe('ready')
    expect(await datagram({ on: 'peer' }, 'udp', outside[0], PORT, PEER_PORT)).toBe('echo')
    await scene.supervisor().unsupervise('pu')
    await scene.lab().hush()
    const other = await superviseOther()
    await scene.serve('peer', outside[1], PEER_PORT)
    expect(REFUSALS).toContain(await datagram(other, 'udp', outside[1], PEER_PORT, PORT))
  })

  it('brings no answers to the PU that takes the port of the PU that asked', async () => {
    await scene.serve('peer', outside[1])
    await scene.supervise({ applicationACLs: everybody })
    const asking = { on: 'host', cgroup: scene.cgroup() } as const
    expect(await datagram(asking, 'udp', outside[1], PORT, TAKEN)).toBe('echo')
    const other = await superviseOther([TAKEN])
    await scene.lab().hush()
    await scene.serve('host', outside[0], TAKEN, other.cgroup)
    expect(REFUSALS).toContain(await datagram({ on: 'peer' }, 'udp', outside[0], TAKEN, PORT))
  })

  /** A PU that may say and hear nothing. */
  async function superviseOther(ports = [PORT + 100]) {
    const cgroup = scene.lab().cgroup('other')
    const isolation = { by: 'cgroup-path', path: cgroup } as const
    const pu = testPU('other', {}, { isolation, ports: ports.map(port => ({ first: port, last: port })) })
    await scene.supervisor().supervise(pu, { queueNumber: PU_QUEUE + 1, epoch: COMMANDS.epoch })
    return { on: 'host', cgroup } as const
  }

  async function datagram(place: Place, protocol: string, address: string, port: number, sourcePort: number) {
    return (await scene.lab().ask(place, 'datagram', protocol, address, String(port), String(sourcePort)))
      .result
  }
})
