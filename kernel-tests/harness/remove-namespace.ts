import process from 'node:process'
import { eventually } from './eventually.js'
import { mustRun } from './run-command.js'

/** Ends every process inside a namespace and removes it. */
export async function removeNamespace(name: string): Promise<void> {
  await eventually(`no process in namespace ${name}`, async () => {
    const pids = await pidsInside(name)
    for (const pid of pids) kill(pid)
    return pids.length === 0
  })
  await mustRun(['ip', 'netns', 'del', name])
}

async function pidsInside(name: string): Promise<readonly number[]> {
  const listing = await mustRun(['ip', 'netns', 'pids', name])
  return listing.split('\n').filter(Boolean).map(Number)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
