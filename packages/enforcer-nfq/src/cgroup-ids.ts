import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/**
 * By what the kernel names a cgroup v2 and those below it: the inodes of their directories. Empty for one that does not exist.
 * @param path relative to the cgroup2 mount.
 */
export function cgroupIDs(path: string): ReadonlySet<bigint> {
  const mount = cgroup2Mount(readFileSync('/proc/self/mountinfo', 'utf8'))
  return new Set(mount === undefined ? [] : idsBelow(join(mount, path)))
}

/** proc_pid_mountinfo(5): the mount point is the fifth field, the type follows the separator. */
export function cgroup2Mount(mountinfo: string): string | undefined {
  const line = mountinfo.split('\n').find(each => / - cgroup2 /.test(each))
  return line
    ?.split(' ')[4]
    ?.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
}

function idsBelow(folder: string): bigint[] {
  try {
    const below = readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory())
    return [
      statSync(folder, { bigint: true }).ino,
      ...below.flatMap(({ name }) => idsBelow(join(folder, name))),
    ]
  } catch (error) {
    // A cgroup may end at any time.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}
