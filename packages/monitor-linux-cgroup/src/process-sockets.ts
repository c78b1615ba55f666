import { readdir, readlink } from 'node:fs/promises'

/** The inodes of the sockets that a process holds; none where it is gone. */
export async function readSocketInodes(pid: number): Promise<readonly number[]> {
  const folder = `/proc/${pid}/fd`
  const descriptors = await readdir(folder).catch(whenGone([]))
  const found: number[] = []
  for (const descriptor of descriptors) {
    const target = await readlink(`${folder}/${descriptor}`).catch(whenGone(''))
    const [, inode] = /^socket:\[(\d+)\]$/.exec(target) ?? []
    if (inode !== undefined) found.push(Number(inode))
  }
  return found
}

function whenGone<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return error => {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return value
    throw error
  }
}
