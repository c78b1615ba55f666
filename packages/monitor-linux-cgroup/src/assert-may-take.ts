import { type PUCaller, type PUInfo, TriremeError } from '@trireme/core'
import { readCgroupOf } from './process-facts.js'
import type { RunningPUs } from './running-pus.js'

export interface Taking {
  /** The process that is to leave for another PU. */
  readonly pid: number
  readonly running: RunningPUs
  /** All PUs of the host, those of other monitors included. */
  readonly puInfos: () => readonly PUInfo[]
}

/**
 * Nobody but root gets a process out of a PU that is not his, a container's in the host's network included: it would shed its
 * identity.
 * @throws TriremeError `ERR_NOT_PERMITTED`.
 */
export async function assertMayTake({ pid, running, puInfos }: Taking, caller: PUCaller): Promise<void> {
  const own = await running.ofProcess(pid)
  if (own?.owner === caller.uid) return
  const contextID = own?.contextID ?? puOfCgroup(await readCgroupOf(pid, 'v2'), puInfos())
  if (contextID === undefined) return
  throw new TriremeError(
    'ERR_NOT_PERMITTED',
    `pid ${pid}: it belongs to PU ${contextID}, which user ${caller.uid} did not make`,
  )
}

/** The PU whose cgroup v2 this is, or holds this; the path as `/proc/PID/cgroup` names it. */
export function puOfCgroup(path: string | undefined, pus: readonly PUInfo[]): string | undefined {
  if (path === undefined) return undefined
  const found = pus.find(({ runtime: { isolation } }) => {
    if (isolation.by !== 'cgroup-path' || isolation.path === '') return false
    return path === `/${isolation.path}` || path.startsWith(`/${isolation.path}/`)
  })
  return found?.contextID
}
