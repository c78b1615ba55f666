import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { FAMILIES } from '../../packages/supervisor-iptables/src/family.js'
import { type Iptables, iptables } from '../../packages/supervisor-iptables/src/iptables.js'
import { describeIptables } from '../../packages/supervisor-iptables/src/iptables-suite.js'
import { Lab } from './lab.js'

describe.each(['nft', 'legacy'] as const)('backend %s', backend => {
  let lab: Lab

  beforeAll(async () => {
    lab = await Lab.open(`ipt-${backend}`)
  })
  afterAll(() => lab.close())

  describeIptables('the programs', async () => {
    const programs = iptables({ backend, netns: lab.netns('host') })
    for (const family of FAMILIES) await flushMangle(programs, family)
    return programs
  })

  it('names a rule that is refused', async () => {
    const programs = iptables({ backend, netns: lab.netns('host') })
    const input = '*mangle\n:TRI-a - [0:0]\n-A TRI-a -m nonsense\nCOMMIT\n'
    await expect(programs.restore('IPv4', input)).rejects.toThrow(
      /-restore: exit \d: .*-A TRI-a -m nonsense/s,
    )
  })
})

it('names a namespace that does not exist', async () => {
  await expect(
    iptables({ backend: 'auto', netns: '/run/netns/tri-none' }).save('IPv4'),
  ).rejects.toMatchObject({
    name: 'KernelError',
    detail: expect.stringContaining('/run/netns/tri-none'),
  })
})

it.each([
  { without: 'iptables-nft-save', debianPackage: 'iptables', netns: undefined },
  { without: 'nsenter', debianPackage: 'util-linux', netns: '/proc/self/ns/net' },
])('names the package of the missing program $without', async ({ without, debianPackage, netns }) => {
  vi.stubEnv('PATH', '/nowhere')
  try {
    const programs = iptables({ backend: 'nft', ...(netns === undefined ? {} : { netns }) })
    await expect(programs.save('IPv4')).rejects.toMatchObject({
      code: 'ERR_MISSING_CAPABILITY',
      message: `${without} is not installed: install the Debian package ${debianPackage}`,
    })
  } finally {
    vi.unstubAllEnvs()
  }
})

it('names a program that is missing where a namespace is entered', async () => {
  const folder = await mkdtemp(`${tmpdir()}/tri-path-`)
  vi.stubEnv('PATH', folder)
  try {
    await symlink('/usr/bin/nsenter', `${folder}/nsenter`)
    const programs = iptables({ backend: 'legacy', netns: '/proc/self/ns/net' })
    await expect(programs.restore('IPv6', '')).rejects.toMatchObject({
      code: 'ERR_MISSING_CAPABILITY',
      message: expect.stringContaining('ip6tables-legacy-restore is not installed'),
    })
  } finally {
    vi.unstubAllEnvs()
    await rm(folder, { recursive: true })
  }
})

async function flushMangle(programs: Iptables, family: (typeof FAMILIES)[number]): Promise<void> {
  await programs.restore(family, '*mangle\n-F\n-X\nCOMMIT\n')
}
