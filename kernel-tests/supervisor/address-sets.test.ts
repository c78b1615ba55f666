import { chainPrefix } from '@trireme/supervisor-iptables'
import { describe, expect, it } from 'vitest'
import { iptables } from '../../packages/supervisor-iptables/src/iptables.js'
import { ipRule } from '../../packages/supervisor-iptables/src/pu-fixture.js'
import { ADDRESSES } from './lab.js'
import { makeSupervisor, SERVER_ID } from './make-supervisor.js'
import { MATRIX, PASS_ALL, useScene } from './scene.js'

describe.each(MATRIX)('long lists of networks, backend $backend, $family', ({ backend, family }) => {
  const { outside } = ADDRESSES[family]
  const scene = useScene(backend, family)
  const prefix = chainPrefix(SERVER_ID)
  const crowd = Array.from({ length: 999 }, (_, at) =>
    family === 'IPv4' ? `100.64.${at >> 8}.${at & 255}/32` : `2001:db8:${at + 1}::/48`,
  )
  const allow = (networks: readonly string[]) => ({
    applicationACLs: networks.map(network => ipRule('accept', [network], { protocol: 'tcp' })),
  })

  it('are one rule: a SYN is compared with none of them but in a set', async () => {
    await scene.supervise(allow([...crowd, outside[1]]))
    const rules = await programs().save(family)
    const own = rules.split('\n').filter(line => line.startsWith(`-A ${prefix}`))
    expect(own.filter(line => line.includes('--match-set')).length).toBe(1)
    expect(own.length).toBeLessThan(150)
    await scene.serve('peer', outside[1])
    await scene.readQueues(PASS_ALL)
    expect(await scene.ask({ on: 'host', cgroup: scene.cgroup() }, 'tcp', outside[1])).toBe('echo')
    await scene.supervise(allow(crowd))
    await scene.expectRefused({ on: 'host', cgroup: scene.cgroup() }, outside[1])
  })

  it('leave one set at a time, that of the rules in force, and none after uninstall', async () => {
    await scene.lab().run('host', 'ipset', 'create', 'THEIRS', 'hash:net')
    const supervisor = scene.supervisor()
    for (const from of [0, 10, 20]) await scene.supervise(allow(crowd.slice(from)))
    // The rules of iptables-nft let go of a set a moment after they are gone: it goes with the next change.
    const change = async () => {
      await scene.supervise(allow(crowd))
      return ours()
    }
    await expect.poll(change).toHaveLength(1)
    await supervisor.stop()
    const again = makeSupervisor(scene.lab(), backend)
    await again.start()
    expect((await sets()).has('THEIRS')).toBe(true)
    await makeSupervisor(scene.lab(), backend).uninstall()
    expect([...(await sets()).keys()]).toEqual(['THEIRS'])
    await scene.lab().run('host', 'ipset', 'destroy', 'THEIRS')
  })

  function programs() {
    return iptables({ backend, netns: scene.lab().netns('host') })
  }

  function sets() {
    return programs().listSets()
  }

  async function ours() {
    return [...(await sets()).keys()].filter(name => name.startsWith(prefix))
  }
})
