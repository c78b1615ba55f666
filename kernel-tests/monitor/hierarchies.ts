import { mkdir, readdir, readFile, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Isolation } from '@trireme/core'
import { mustRun } from '../harness/run-command.js'
import type { Teardown } from '../harness/teardown.js'

/** A kind of cgroup hierarchy as a test meets it. */
export interface Hierarchy {
  readonly name: string
  /** Where to work in it. Mounted for the test where it is not already. */
  mount(folder: string, teardown: Teardown): Promise<string>
  /** Whether the isolation is the cgroup's in the folder. */
  matches(isolation: Isolation, cgroup: string): Promise<boolean>
}

export const HIERARCHIES: readonly Hierarchy[] = [
  {
    name: 'cgroup v2',
    mount: (folder, teardown) => mountAt(join(folder, 'cgroup2'), ['-t', 'cgroup2'], teardown),
    async matches(isolation, cgroup) {
      return isolation.by === 'cgroup-path' && cgroup.endsWith(`/${isolation.path}`)
    },
  },
  {
    name: 'cgroup v1 net_cls',
    mount: (folder, teardown) =>
      mountAt(join(folder, 'net_cls'), ['-t', 'cgroup', '-o', 'net_cls,net_prio'], teardown),
    async matches(isolation, cgroup) {
      const classID = Number(await readFile(join(cgroup, 'net_cls.classid'), 'utf8'))
      return isolation.by === 'net-cls' && isolation.classID === classID && classID > 0x1_0000
    },
  },
]

async function mountAt(folder: string, type: readonly string[], teardown: Teardown): Promise<string> {
  await mkdir(folder)
  await mustRun(['mount', ...type, 'none', folder])
  teardown.add(async () => {
    await mustRun(['umount', folder])
    await rmdir(folder)
  })
  return folder
}

/** The cgroups below a folder, by name. */
export async function cgroupsIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  return entries.filter(entry => entry.isDirectory()).map(entry => entry.name)
}
