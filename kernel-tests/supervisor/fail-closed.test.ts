import { refuseCommand, setStateCommand } from '@trireme/core'
import { describe, expect, it } from 'vitest'
import { ipRule } from '../../packages/supervisor-iptables/src/pu-fixture.js'
import { ADDRESSES, type Outcome } from './lab.js'
import { COMMANDS, makeSupervisor, PU_QUEUE } from './make-supervisor.js'
import { poll } from './poll.js'
import { MATRIX, PASS_ALL, PORT, PROMPT_MS, seen, useScene } from './scene.js'

describe.each(MATRIX)('backend $backend, $family', ({ backend, family }) => {
  const { inside, outside } = ADDRESSES[family]
  const scene = useScene(backend, family)
  const { supervise, serve, ask, readQueues } = scene

  it('no PU’s traffic passes untouched', async () => {
    await supervise()
    await serve('peer', outside[1])
    await serve('host', outside[0], PORT + 1)
    for (const command of ['tcp', 'udp']) {
      expect(await ask({ on: 'host' }, command, outside[1])).toBe('echo')
      expect(await ask({ on: 'peer' }, command, outside[0], PORT + 1)).toBe('echo')
      expect(await ask({ on: 'host' }, command, outside[0], PORT + 1)).toBe('echo')
    }
    expect(await ask({ on: 'host' }, 'ping', outside[1])).toBe('echo')
  })

  it('a PU inside the trireme networks connects to nobody, and nobody to it', async () => {
    await supervise()
    await serve('peer', inside[1])
    await serve('host', inside[0], PORT, scene.cgroup())
    const results = await Promise.all([
      ask({ on: 'host', cgroup: scene.cgroup() }, 'tcp', inside[1]),
      ask({ on: 'peer' }, 'tcp', inside[0]),
      ask({ on: 'host' }, 'tcp', inside[0]),
    ])
    expect(results).toEqual(['timeout', 'timeout', 'timeout'])
  })

  if (family === 'IPv6') {
    it('messages of the link pass as those sent on it alone', async () => {
      await supervise()
      const outcomes = ['135 255', '135 64', '143 1', '143 64'].map(async message => {
        const place = { on: 'host', cgroup: scene.cgroup() } as const
        return (await scene.lab().ask(place, 'link-message', outside[1], ...message.split(' '))).result
      })
      expect(await Promise.all(outcomes)).toEqual(['sent', 'EPERM', 'sent', 'EPERM'])
    })
  }

  it('a mark that the PU sets itself opens nothing', async () => {
    await supervise()
    await serve('peer', inside[1])
    const mark = String(setStateCommand(COMMANDS, 'auth'))
    expect(
      (await scene.lab().ask({ on: 'host', cgroup: scene.cgroup() }, 'tcp', inside[1], String(PORT), mark))
        .result,
    ).toBe('timeout')
  })

  it('a port of the PU gives its identity to nobody who connects from it', async () => {
    await supervise()
    await serve('peer', inside[1])
    const queue = await readQueues(PASS_ALL)
    const { result } = await scene
      .lab()
      .ask({ on: 'host' }, 'tcp', inside[1], String(PORT), '0', String(PORT))
    expect(result).toBe('ECONNREFUSED')
    expect(seen(queue)).toEqual([])
  })

  it('an answer that conntrack calls invalid opens no connection of a PU', async () => {
    await supervise({}, { isolation: { by: 'owner', uid: 0 } })
    const port = String(PORT + 2)
    // The peer's own kernel keeps out of it.
    const silence = ['INPUT', '-p', 'tcp', '--dport', port, '-j', 'DROP']
    await scene.lab().run('peer', family === 'IPv4' ? 'iptables' : 'ip6tables', '-A', ...silence)
    await scene.lab().talk({ on: 'peer' }, 'deceive', inside[1], port)
    const queue = await readQueues(PASS_ALL)
    expect(await ask({ on: 'host' }, 'tcp', inside[1], PORT + 2)).toBe('timeout')
    expect(seen(queue)[0]).toMatchObject({ queue: PU_QUEUE, flags: 'S' })
  })

  it('a SYN with our option from outside does not pass as one without', async () => {
    const networkACLs = [ipRule('accept', [`${outside[1]}`])]
    await supervise({ networkACLs })
    const queue = await readQueues(PASS_ALL)
    await scene.lab().ask({ on: 'peer' }, 'option-syn', outside[1], outside[0], String(PORT))
    await poll(() => seen(queue).length > 0)
    expect(seen(queue)[0]).toMatchObject({
      queue: PU_QUEUE,
      flags: 'S',
      mark: 0,
    })
  })

  it('a connection from before goes to the queue, which has it reset, and passes in no other way', async () => {
    await serve('peer', outside[1])
    const client = await scene
      .lab()
      .talk({ on: 'host', cgroup: scene.cgroup() }, 'hold', outside[1], String(PORT))
    await supervise()
    const queue = await readQueues({ ...PASS_ALL, PA: ['accept', refuseCommand(COMMANDS)] })
    client.tell('x')
    await poll(() => client.lines.length === 2)
    const { result, ms } = client.lines[1] as Outcome
    expect(result).toBe('ECONNRESET')
    expect(seen(queue)[0]).toMatchObject({ queue: PU_QUEUE, flags: 'PA', mark: 0 })
    expect(ms).toBeLessThan(PROMPT_MS)
  })

  it('after a restart a PU is denied until it is reconciled, decided flows go on', async () => {
    await supervise({ applicationACLs: [ipRule('accept', [outside[1]])] })
    await serve('peer', outside[1])
    const queue = await readQueues(PASS_ALL)
    const client = await scene
      .lab()
      .talk({ on: 'host', cgroup: scene.cgroup() }, 'hold', outside[1], String(PORT))
    expect(seen(queue).length).toBe(1)
    await scene.supervisor().stop()
    const again = makeSupervisor(scene.lab(), backend, { ...COMMANDS, key: 9 })
    await again.start()
    client.tell('x')
    await poll(() => client.lines.length === 2)
    expect(client.lines[1]).toMatchObject({ result: 'echo' })
    expect(await ask({ on: 'host', cgroup: scene.cgroup() }, 'tcp', outside[1])).toBe('timeout')
    expect(await ask({ on: 'host', cgroup: scene.cgroup() }, 'udp', outside[1])).not.toBe('echo')
    await again.reconcile()
    expect(await ask({ on: 'host', cgroup: scene.cgroup() }, 'tcp', outside[1])).toBe('echo')
  })

  it('an unsupervised PU is nobody', async () => {
    await supervise()
    await scene.supervisor().unsupervise('pu')
    await serve('peer', inside[1])
    expect(await ask({ on: 'host', cgroup: scene.cgroup() }, 'tcp', inside[1])).toBe('echo')
  })
})
