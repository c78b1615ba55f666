import { readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeCgroup } from './remove-cgroup.js'
import { removeNamespace } from './remove-namespace.js'
import { isLeftover } from './unique-name.js'

/** The folder of control groups that a daemon makes is this and its server ID. */
const CGROUP_PREFIX = 'trireme-'

/** Clears away what tests have left whose process is no more: namespaces with all that runs inside, control groups, files. */
export async function sweepLeftovers(): Promise<void> {
  for (const name of await leftoversIn('/run/netns')) await removeNamespace(name)
  for (const mount of await cgroupMounts()) {
    for (const name of await leftoversIn(mount, CGROUP_PREFIX)) await removeCgroup(join(mount, name))
  }
  for (const name of await leftoversIn(tmpdir()))
    await rm(join(tmpdir(), name), { recursive: true, force: true })
}

async function leftoversIn(folder: string, prefix = ''): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => [])
  return names.filter(name => name.startsWith(prefix) && isLeftover(name.slice(prefix.length)))
}

async function cgroupMounts(): Promise<readonly string[]> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8')
  const lines = mounts.split('\n').filter(line => / - cgroup2? /.test(line))
  return lines.map(line => line.split(' ')[4]!)
}
