import { readFile } from 'node:fs/promises'
import { type PUCaller, TriremeError } from '@trireme/core'

/**
 * Passes a caller who owns the process: root, or the user of all four of its IDs, real, effective, saved and of the file system.
 * @throws TriremeError `ERR_NOT_PERMITTED`, also for a process that is not there, about which others learn nothing.
 */
export async function assertOwnProcess(pid: number, caller: PUCaller): Promise<void> {
  if (caller.uid === 0) return
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const [, ids] = /^Uid:\s+(\d+\s+\d+\s+\d+\s+\d+)$/m.exec(status) ?? []
  if (ids?.split(/\s+/).every(id => Number(id) === caller.uid)) return
  throw new TriremeError('ERR_NOT_PERMITTED', `pid ${pid}: not a process of user ${caller.uid}`)
}
