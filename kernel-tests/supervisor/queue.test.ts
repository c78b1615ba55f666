import { connectionMark, setStateCommand } from '@trireme/core'
import { describe, expect, it } from 'vitest'
import { iptables } from '../../packages/supervisor-iptables/src/iptables.js'
import { ADDRESSES } from './lab.js'
import { COMMANDS, FLOW_QUEUE, PU_QUEUE } from './make-supervisor.js'
import { poll } from './poll.js'
import { MATRIX, PASS_ALL, PORT, seen, useScene } from './scene.js'

describe.each(MATRIX)('backend $backend, $family', ({ backend, family }) => {
  const { inside } = ADDRESSES[family]
  const scene = useScene(backend, family)
  const { supervise, serve, ask, readQueues } = scene

  it('gets a SYN of the PU by its number with the state before it in the mark, and the rest as flow', async () => {
    await supervise()
    await serve('peer', inside[1])
    const queue = await readQueues(PASS_ALL)
    expect(await ask({ on: 'host', cgroup: scene.cgroup() }, 'tcp', inside[1])).toBe('echo')
    const mark = connectionMark('handshake', COMMANDS.epoch)
    expect(seen(queue).slice(0, 3)).toEqual([
      { queue: PU_QUEUE, flags: 'S', hook: 3, mark: 0 },
      { queue: FLOW_QUEUE, flags: 'SA', hook: 1, mark },
      { queue: FLOW_QUEUE, flags: 'A', hook: 3, mark },
    ])
  })

  it('settles a flow by a command: nothing of it is queued any more', async () => {
    await supervise()
    await serve('host', inside[0], PORT, scene.cgroup())
    const queue = await readQueues({ ...PASS_ALL, A: ['repeat', setStateCommand(COMMANDS, 'auth')] })
    const client = await scene.lab().talk({ on: 'peer' }, 'hold', inside[0], String(PORT))
    await poll(async () => (await scene.flowMarks()).includes(connectionMark('auth', COMMANDS.epoch)))
    client.tell('x')
    await poll(() => client.lines.length === 2)
    expect(client.lines[1]).toMatchObject({ result: 'echo' })
    expect(seen(queue).map(({ flags }) => flags)).toEqual(['S', 'SA', 'A'])
  })

  it('is left in the kernel by the first answer to a SENT client', async () => {
    await supervise()
    await serve('peer', inside[1])
    const queue = await readQueues({ ...PASS_ALL, A: ['repeat', setStateCommand(COMMANDS, 'sent')] })
    const client = await scene
      .lab()
      .talk({ on: 'host', cgroup: scene.cgroup() }, 'hold', inside[1], String(PORT))
    await poll(async () => (await scene.flowMarks()).includes(connectionMark('sent', COMMANDS.epoch)))
    client.tell('x')
    await poll(() => client.lines.length === 2)
    expect(seen(queue).map(({ flags }) => flags)).toEqual(['S', 'SA', 'A', 'PA'])
    expect(await scene.flowMarks()).toEqual([connectionMark('auth', COMMANDS.epoch)])
    client.tell('x')
    await poll(() => client.lines.length === 3)
    expect(client.lines[2]).toMatchObject({ result: 'echo' })
    expect(seen(queue).length).toBe(4)
  })

  it('never sees foreign bits changed', async () => {
    await iptables({ backend, netns: scene.lab().netns('host') }).restore(
      family,
      '*mangle\n-A PREROUTING -j MARK --set-xmark 0x5/0xff\n-A PREROUTING -j CONNMARK --set-xmark 0x9/0xff\n' +
        '-A PREROUTING -j CONNMARK --set-xmark 0x80000000/0x80000000\nCOMMIT\n',
    )
    await supervise()
    await serve('host', inside[0], PORT, scene.cgroup())
    const auth = setStateCommand(COMMANDS, 'auth')
    const queue = await readQueues({ ...PASS_ALL, A: ['repeat', auth + 5] })
    await scene.lab().talk({ on: 'peer' }, 'hold', inside[0], String(PORT))
    const mark = 0x80000000 + connectionMark('auth', COMMANDS.epoch) + 9
    await poll(async () => (await scene.flowMarks()).includes(mark))
    expect(seen(queue)[0]?.mark).toBe(5)
    await iptables({ backend, netns: scene.lab().netns('host') }).restore(
      family,
      '*mangle\n-F PREROUTING\nCOMMIT\n',
    )
  })
})
