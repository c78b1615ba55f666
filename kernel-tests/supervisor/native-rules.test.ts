import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { chainPrefix, iptablesSupervisor, type RulesDisturbance } from '@trireme/supervisor-iptables'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { iptables } from '../../packages/supervisor-iptables/src/iptables.js'
import { testPU } from '../../packages/supervisor-iptables/src/pu-fixture.js'
import { Lab } from './lab.js'
import { COMMANDS, FLOW_QUEUE, PU_QUEUE, SERVER_ID } from './make-supervisor.js'
import { poll } from './poll.js'

const PREFIX = chainPrefix(SERVER_ID)
const PREROUTING = "add chain ip mangle PREROUTING '{ type filter hook prerouting priority mangle; }'"
/** Written by nft as it is here, so that its list tells whether it is still there. */
const MARK = 'ct state established meta mark set 0x00000005'

/** What other programs do by nft; `rule` must be there at the end. */
const NATIVE = [
  { name: 'in a chain that we do not use', commands: [PREROUTING, `add rule ip mangle PREROUTING ${MARK}`] },
  { name: 'behind our jump', commands: [`add rule ip mangle INPUT ${MARK}`] },
  { name: 'before our jump', commands: [`insert rule ip mangle INPUT ${MARK}`] },
  {
    name: 'that iptables cannot even parse, before our jump',
    commands: ['insert rule ip mangle OUTPUT meta mark set 0x00000005'],
    rule: 'meta mark set 0x00000005',
  },
  {
    name: 'with a set, before our jump',
    commands: [
      "add set ip mangle hosts '{ type ipv4_addr; }'",
      'insert rule ip mangle INPUT ip saddr @hosts drop',
    ],
    rule: 'ip saddr @hosts drop',
  },
  { name: 'in filter', commands: [`insert rule ip filter OUTPUT ${MARK}`], table: 'ip filter' },
  { name: 'of IPv6', commands: [`insert rule ip6 mangle INPUT ${MARK}`], table: 'ip6 mangle' },
  { name: 'in raw of IPv6', commands: [`insert rule ip6 raw OUTPUT ${MARK}`], table: 'ip6 raw' },
  {
    name: 'before our jumps at bridges',
    commands: ['insert rule bridge filter FORWARD meta mark set 0x00000005'],
    table: 'bridge filter',
    rule: 'meta mark set 0x00000005',
  },
]

describe('native nft rules of other programs in our tables', () => {
  let lab: Lab
  let cgroup: string
  let found: RulesDisturbance[]

  beforeAll(async () => {
    lab = await Lab.open('native')
    cgroup = lab.cgroup('pu')
  })
  afterEach(async () => {
    await nft('flush ruleset')
  })
  afterAll(() => lab.close())

  it.each(NATIVE)(
    '$name: repair goes on, no jump multiplies, and uninstalling removes all of ours and nothing of theirs',
    async ({ commands, table = 'ip mangle', rule = MARK }) => {
      const supervisor = await supervise()
      const jumps = await ours('jump')
      for (const command of commands) await nft(command)
      for (let round = 0; round < 2; round++) {
        const known = found.length
        await nft(`flush chain ip mangle ${PREFIX}SET`)
        await poll(() => found.slice(known).some(each => !('error' in each)), 20_000)
        await poll(async () => (await ours('')).includes(`chain ${PREFIX}SET {\n\t\tcounter`), 20_000)
      }
      expect(found.filter(each => 'error' in each)).toEqual([])
      expect(await ours('jump')).toEqual(jumps)
      expect(await nft(`list table ${table}`)).toContain(rule)
      await supervisor.uninstall()
      expect(await ours('')).not.toContain(PREFIX)
      expect(await nft(`list table ${table}`)).toContain(rule)
    },
  )

  it('in a chain of ours are no rule of ours: the chain is made anew', async () => {
    const supervisor = await supervise()
    await nft(`insert rule ip mangle ${PREFIX}IN ${MARK}`)
    await poll(() => found.length > 0, 20_000)
    await poll(async () => !(await nft('list table ip mangle')).includes(MARK), 20_000)
    await supervisor.uninstall()
    expect(await ours('')).not.toContain(PREFIX)
  })

  it('are no reason to forget the PUs of an earlier process', async () => {
    const first = await supervise()
    await first.stop()
    await nft(`insert rule ip mangle OUTPUT ${MARK}`)
    const second = makeOne()
    await second.start()
    expect(await nft('list table ip mangle')).toMatch(new RegExp(`goto ${PREFIX}O-`))
    await second.reconcile()
    expect(await nft('list table ip mangle')).not.toMatch(new RegExp(`goto ${PREFIX}O-`))
    await second.uninstall()
    expect(await ours('')).not.toContain(PREFIX)
  })

  it('that cannot be listed for want of nft: nothing is added, nothing is removed, and uninstalling fails', async () => {
    const supervisor = await supervise()
    await nft(`insert rule ip mangle INPUT ${MARK}`)
    const before = await ours('')
    const folder = await pathWithout('nft')
    vi.stubEnv('PATH', folder)
    try {
      const known = found.length
      await poll(() => found.length > known + 1, 20_000)
      expect(String(found.at(-1)?.error)).toMatch(
        /mangle.*nft is not installed: install the Debian package nftables/,
      )
      await expect(supervisor.uninstall()).rejects.toMatchObject({ code: 'ERR_MISSING_CAPABILITY' })
    } finally {
      vi.unstubAllEnvs()
      await rm(folder, { recursive: true })
    }
    expect(await ours('')).toBe(before)
    await supervisor.uninstall()
    expect(await ours('')).not.toContain(PREFIX)
  })

  it.each(['nft', 'legacy'] as const)('a list of iptables-%s that was cut is no list', async backend => {
    const folder = await pathWithout('nft')
    await rm(`${folder}/iptables-${backend}-save`)
    await writeFile(
      `${folder}/iptables-${backend}-save`,
      "#!/bin/sh\nprintf '*mangle\\n:INPUT ACCEPT [0:0]\\n'\n",
    )
    await chmod(`${folder}/iptables-${backend}-save`, 0o755)
    vi.stubEnv('PATH', `${folder}`)
    try {
      await expect(iptables({ backend, netns: lab.netns('host') }).save('IPv4')).rejects.toThrow(
        /iptables-\w+-save.*mangle/,
      )
    } finally {
      vi.unstubAllEnvs()
      await rm(folder, { recursive: true })
    }
  })

  function makeOne() {
    return iptablesSupervisor({
      ...{ backend: 'nft', netns: lab.netns('host'), checkMs: 20 },
      onDisturbance: disturbance => found.push(disturbance),
    })({
      serverID: SERVER_ID,
      filterQueue: () => ({ flowQueue: FLOW_QUEUE, commands: COMMANDS }),
      networks: { trireme: ['10.0.0.0/8', 'fd00::/8'], excluded: [] },
    })
  }

  /** With a PU in a cgroup and one behind a port of a bridge. */
  async function supervise() {
    found = []
    const supervisor = makeOne()
    await supervisor.start()
    const enforcement = { queueNumber: PU_QUEUE, epoch: COMMANDS.epoch }
    await supervisor.supervise(
      testPU('pu', {}, { isolation: { by: 'cgroup-path', path: cgroup } }),
      enforcement,
    )
    const port = { name: 'port0', bridge: 'bridge0', addresses: ['172.30.0.2', 'fd30::2'] }
    const isolation = { by: 'interfaces', interfaces: [port], netns: lab.netns('peer') } as const
    const container = testPU('container', {}, { kind: 'container', isolation, ports: [] })
    await supervisor.supervise(container, { queueNumber: PU_QUEUE + 1, epoch: COMMANDS.epoch })
    return supervisor
  }

  /** The lines of the whole rule set that name our chains and hold the text, without counters. */
  async function ours(text: string): Promise<string> {
    const all = (await nft('list ruleset')).replace(/packets \d+ bytes \d+ /g, '')
    if (text === '') return all
    const lines = all.split('\n').filter(line => line.includes(text) && line.includes(PREFIX))
    return lines.sort().join('\n')
  }

  function nft(command: string): Promise<string> {
    return lab.run('host', 'sh', '-c', `nft ${command}`)
  }
})

/** A folder with the programs that rules are made by, but for one. */
async function pathWithout(missing: string): Promise<string> {
  const folder = await mkdtemp(`${tmpdir()}/tri-path-`)
  const both = ['iptables', 'ip6tables'].flatMap(name => ['', '-save', '-restore'].map(task => [name, task]))
  const programs = [
    ...both.flatMap(([name, task]) => [`${name}-nft${task}`, `${name}-legacy${task}`]),
    ...['ebtables-nft-save', 'ebtables-nft-restore', 'ipset', 'nft'],
  ].map(name => [name, `/usr/sbin/${name}`] as const)
  const all = [...programs, ...['nsenter', 'cat'].map(name => [name, `/usr/bin/${name}`] as const)]
  for (const [name, path] of all.filter(([name]) => name !== missing))
    await symlink(path, `${folder}/${name}`)
  return folder
}
