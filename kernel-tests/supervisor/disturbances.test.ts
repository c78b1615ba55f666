import type { PUPolicy } from '@trireme/core'
import { iptablesSupervisor, type RulesDisturbance } from '@trireme/supervisor-iptables'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { FAMILIES } from '../../packages/supervisor-iptables/src/family.js'
import { ipRule, testPU } from '../../packages/supervisor-iptables/src/pu-fixture.js'
import { ADDRESSES, Lab } from './lab.js'
import { BACKENDS, COMMANDS, FLOW_QUEUE, makeSupervisor, PU_QUEUE, SERVER_ID } from './make-supervisor.js'
import { poll } from './poll.js'
import { PORT } from './scene.js'

/** What another program may do, by table and arguments of iptables. */
const FLUSHES = ['-t mangle -F', '-t raw -F OUTPUT', '-t security -F']

const NETWORKS = ['192.0.2.0/24', '198.51.100.7', '2001:db8::/32']
const MANY = Array.from({ length: 20 }, (_, index) => [`203.0.113.${index}`, `2001:db8:${index}::/48`]).flat()

/** Of every kind, so that a check that takes one for another would be seen. */
const MANY_RULES: Partial<PUPolicy> = {
  applicationACLs: [
    ipRule('reject', NETWORKS, {
      protocol: 'udp',
      ports: [
        { first: 1, last: 99 },
        { first: 200, last: 200 },
      ],
    }),
    ipRule('accept', NETWORKS),
  ],
  networkACLs: [
    ipRule('accept', MANY, { protocol: 'tcp' }),
    ipRule('accept', NETWORKS, { protocol: 'icmp' }),
  ],
}

describe.each(BACKENDS)('rules of others, iptables-%s', backend => {
  let lab: Lab
  let cgroup: string

  beforeAll(async () => {
    lab = await Lab.open(`disturb-${backend}`)
    cgroup = lab.cgroup('pu')
  })
  afterEach(async () => {
    await lab.hush()
    await makeSupervisor(lab, backend).uninstall()
  })
  afterAll(() => lab.close())

  it('that accept first in filter let nothing pass that was refused, in either direction and family', async () => {
    const supervisor = supervise(0)
    await supervisor.start()
    await supervisor.supervise(pu(), { queueNumber: PU_QUEUE, epoch: COMMANDS.epoch })
    for (const chain of ['INPUT', 'OUTPUT']) await iptables('-t', 'filter', '-I', chain, '1', '-j', 'ACCEPT')
    for (const family of FAMILIES) {
      const { outside } = ADDRESSES[family]
      await lab.talk({ on: 'peer' }, 'serve', outside[1], String(PORT))
      await lab.talk({ on: 'host', cgroup }, 'serve', outside[0], String(PORT))
      // The sender's own kernel tells of what it dropped.
      const outcomes = await Promise.all([
        ask({ on: 'host', cgroup }, 'udp', outside[1]),
        ask({ on: 'peer' }, 'udp', outside[0]),
        ask({ on: 'host', cgroup }, 'tcp', outside[1]),
        ask({ on: 'peer' }, 'tcp', outside[0]),
      ])
      expect(outcomes).toEqual(['EPERM', 'timeout', 'timeout', 'timeout'])
    }
    await iptables('-t', 'filter', '-F', 'INPUT')
    await iptables('-t', 'filter', '-F', 'OUTPUT')
  })

  it('that accept before ours, and flushes, are put right by itself', async () => {
    const found: RulesDisturbance[] = []
    const supervisor = supervise(50, disturbance => found.push(disturbance))
    await supervisor.start()
    await supervisor.supervise(pu(MANY_RULES), { queueNumber: PU_QUEUE, epoch: COMMANDS.epoch, adopts: true })
    await supervisor.supervise(container(), { queueNumber: PU_QUEUE + 1, epoch: COMMANDS.epoch })
    const { inside } = ADDRESSES.IPv4
    await lab.talk({ on: 'peer' }, 'serve', inside[1], String(PORT))
    const before = await rules()
    for (const flush of FLUSHES) {
      const known = found.length
      await iptables(...flush.split(' '))
      await poll(async () => found.length > known && (await rules()) === before, 20_000)
    }
    // One for each, and none for rules that the kernel shows as they were made.
    const tables = found.map(({ error, found: [first] }) => [error, first?.split(':')[0]])
    expect(tables).toEqual(['mangle', 'raw', 'security'].map(table => [undefined, `IPv4 ${table}`]))
    const known = found.length
    await iptables('-t', 'mangle', '-I', 'OUTPUT', '1', '-j', 'ACCEPT')
    await poll(() => found.length > known, 20_000)
    expect(found.at(-1)?.found).toContain('IPv4 mangle: rules of others first in OUTPUT')
    expect(await ask({ on: 'host', cgroup }, 'tcp', inside[1])).toBe('timeout')
    await iptables('-t', 'mangle', '-D', 'OUTPUT', '-j', 'ACCEPT')
    await supervisor.stop()
  })

  function supervise(checkMs: number, onDisturbance: (disturbance: RulesDisturbance) => void = () => {}) {
    return iptablesSupervisor({ backend, netns: lab.netns('host'), checkMs, onDisturbance })({
      serverID: SERVER_ID,
      filterQueue: () => ({ flowQueue: FLOW_QUEUE, commands: COMMANDS }),
      networks: {
        trireme: ['10.0.0.0/8', 'fd00::/8'],
        excluded: ['127.0.0.0/8', '::1/128'],
        failsafe: [{ direction: 'in', protocol: 'tcp', port: 22, peers: ['0.0.0.0/0', '::/0'] }],
      },
    })
  }

  function pu(policy: Partial<PUPolicy> = {}) {
    const isolation = { by: 'cgroup-path', path: cgroup } as const
    const ports = [
      { first: PORT, last: PORT },
      { first: 9000, last: 9100 },
    ]
    return testPU('pu', policy, { isolation, ports })
  }

  function container() {
    const port = { name: 'port0', bridge: 'bridge0', addresses: ['172.30.0.2', 'fd30::2'] }
    const isolation = { by: 'interfaces', interfaces: [port], netns: lab.netns('peer') } as const
    return testPU('container', MANY_RULES, { kind: 'container', isolation, ports: [] })
  }

  async function iptables(...args: readonly string[]): Promise<void> {
    for (const program of [`iptables-${backend}`, `ip6tables-${backend}`])
      await lab.run('host', program, ...args)
  }

  async function ask(place: { on: 'host' | 'peer'; cgroup?: string }, command: string, address: string) {
    return (await lab.ask(place, command, address, String(PORT))).result
  }

  async function rules(): Promise<string> {
    const saved = await Promise.all(
      [`iptables-${backend}-save`, `ip6tables-${backend}-save`].map(program => lab.run('host', program)),
    )
    return saved
      .join('')
      .replace(/^#.*$/gm, '')
      .replace(/\[\d+:\d+\]/g, '')
  }
})
