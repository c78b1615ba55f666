import { readdir, readFile, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { eventually } from './eventually.js'

/** Ends every process in a control group of a test and removes the group; the innermost first, their files are the kernel's. */
export async function removeCgroup(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  for (const entry of entries.filter(each => each.isDirectory())) await removeCgroup(join(folder, entry.name))
  await eventually(`no process in ${folder}`, async () => {
    const pids = await pidsIn(folder)
    for (const pid of pids) kill(pid)
    return pids.length === 0
  })
  await rmdir(folder).catch(error => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error
  })
}

async function pidsIn(folder: string): Promise<readonly number[]> {
  const listing = await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '')
  return listing.split('\n').filter(Boolean).map(Number)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
