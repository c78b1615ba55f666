import { rmdir } from 'node:fs/promises'

/** Leaves a folder that holds something, or is not there. */
export async function removeIfEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (!['ENOTEMPTY', 'ENOENT', 'EEXIST', 'EBUSY'].includes(error.code ?? '')) throw error
  })
}
