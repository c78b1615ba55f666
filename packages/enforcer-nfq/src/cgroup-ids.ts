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
  return foldersBelow(folder).map(({ id }) => id)
}

/** The IDs of the cgroup and those below it, as `cgroupIDs` gives them, and the processes in them. */
export function readCgroup(path: string): {
  readonly ids: ReadonlySet<bigint>
  readonly pids: readonly number[]
} {
  const mount = cgroup2Mount(readFileSync('/proc/self/mountinfo', 'utf8'))
  const folders = mount === undefined ? [] : foldersBelow(join(mount, path))
  const pids = folders.flatMap(({ folder }) =>
    unlessGone('', () => readFileSync(join(folder, 'cgroup.procs'), 'latin1'))
      .split('\n')
      .filter(Boolean)
      .map(Number),
  )
  return { ids: new Set(folders.map(({ id }) => id)), pids }
}

function foldersBelow(folder: string): { readonly folder: string; readonly id: bigint }[] {
  return unlessGone([], () => {
    const below = readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory())
    const own = { folder, id: statSync(folder, { bigint: true }).ino }
    return [own, ...below.flatMap(({ name }) => foldersBelow(join(folder, name)))]
  })
}

/** A cgroup may end at any time (ENOENT, ENODEV); of a threaded one the processes cannot be read (EOPNOTSUPP). */
function unlessGone<T>(value: T, read: () => T): T {
  try {
    return read()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (['ENOENT', 'ENODEV', 'EOPNOTSUPP', 'ENOTSUP'].includes(code)) return value
    throw error
  }
}
