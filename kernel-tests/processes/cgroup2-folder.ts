import { readFile } from 'node:fs/promises'

/** Where the machine has cgroup v2 mounted. */
export async function cgroup2Folder(): Promise<string> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8')
  const line = mounts.split('\n').find(each => / - cgroup2 /.test(each) && each.includes(' /sys/fs/cgroup'))
  if (line === undefined) throw new Error('cgroup v2 is not mounted below /sys/fs/cgroup')
  return line.split(' ')[4]!
}
