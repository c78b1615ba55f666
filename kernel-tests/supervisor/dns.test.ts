import { describe, expect, it } from 'vitest'
import { ipRule } from '../../packages/supervisor-iptables/src/pu-fixture.js'
import { ADDRESSES } from './lab.js'
import { MATRIX, useScene } from './scene.js'

const ROUNDS = 50
/** A query that is lost is asked again after 5 s (resolv.conf(5)): nothing here comes near it. */
const SLOWEST_MS = 500

describe.each(MATRIX)('name resolution, backend $backend, $family', ({ backend, family }) => {
  const { outside, loopback } = ADDRESSES[family]
  const scene = useScene(backend, family)
  const resolver = (networks: readonly string[]) => [
    ipRule('accept', networks, { protocol: 'udp', ports: [{ first: 53, last: 53 }] }),
  ]

  it('by two queries at once from one socket is as fast as ever, and goes on over changes of policy', async () => {
    await scene.serve('peer', outside[1], 53)
    await scene.supervise({ applicationACLs: resolver([outside[1]]) })
    const changes = (async () => {
      for (const port of [1, 2, 3]) {
        const other = ipRule('accept', [outside[1]], {
          protocol: 'tcp',
          ports: [{ first: port, last: port }],
        })
        await scene.supervise({ applicationACLs: [...resolver([outside[1]]), other] })
      }
    })()
    const slowest = await scene.ask({ on: 'host', cgroup: scene.cgroup() }, 'dns', outside[1], ROUNDS)
    await changes
    expect(Number(slowest)).toBeLessThan(SLOWEST_MS)
  })

  it('within a namespace of the PU’s own needs no rule: its loopback is its own', async () => {
    const isolation = { by: 'netns', path: scene.lab().netns('host') } as const
    await scene.serve('host', loopback, 53)
    await scene.supervise({}, { isolation, ports: [] })
    expect(await scene.ask({ on: 'host' }, 'udp', loopback, 53)).toBe('echo')
    const slowest = await scene.ask({ on: 'host' }, 'dns', loopback, ROUNDS)
    expect(Number(slowest)).toBeLessThan(SLOWEST_MS)
  })
})
