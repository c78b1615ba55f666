import { readdirSync, readlinkSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'

/** The event loop has its turn after so many. */
const SLICE = 256
/** More are not looked at: what is not found counts as not held. */
const MAX_DESCRIPTORS = 262_144

/** Which of the inodes are sockets that one of the processes holds (`/proc/PID/fd`). In slices: a process may hold a great many. */
export async function heldInodes(
  pids: readonly number[],
  inodes: ReadonlySet<number>,
): Promise<ReadonlySet<number>> {
  const held = new Set<number>()
  let seen = 0
  for (const pid of pids) {
    const folder = `/proc/${pid}/fd`
    for (const descriptor of goneAs([], () => readdirSync(folder))) {
      if (held.size === inodes.size || seen >= MAX_DESCRIPTORS) return held
      const target = goneAs('', () => readlinkSync(`${folder}/${descriptor}`))
      const inode = Number(/^socket:\[(\d+)\]$/.exec(target)?.[1])
      if (inodes.has(inode)) held.add(inode)
      if (++seen % SLICE === 0) await setImmediate()
    }
  }
  return held
}

/** A process, or a descriptor of it, may go at any time. */
function goneAs<T>(value: T, read: () => T): T {
  try {
    return read()
  } catch (error) {
    const isGone =
      error instanceof Error && 'code' in error && ['ENOENT', 'ESRCH'].includes(String(error.code))
    if (isGone) return value
    throw error
  }
}
