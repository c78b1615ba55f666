import { KernelError } from '@trireme/core'
import { readSocketInodes } from './process-sockets.js'
import { readProcessTree } from './process-tree.js'
import type { PUCgroups } from './pu-cgroups.js'
import { resetConnections } from './reset-connections.js'
import type { RunRequest } from './run-request.js'

/** Rounds in which processes that fork meanwhile are followed. */
const MAX_ROUNDS = 20

/**
 * Moves a process and its descendants into the PU's cgroup, then ends the connections that they made before: a socket belongs to
 * the cgroup in which it was made, so no rule finds these. Listeners stay: those are found by their ports.
 */
export async function moveTree(cgroups: PUCgroups, contextID: string, request: RunRequest): Promise<void> {
  await moveAll(cgroups, contextID, request.pid)
  if (request.keepConnections) return
  const processes = await cgroups.processes(contextID)
  const inodes = await Promise.all(processes.map(readSocketInodes))
  await resetConnections(new Set(inodes.flat()))
}

async function moveAll(cgroups: PUCgroups, contextID: string, root: number): Promise<void> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const inside = new Set(await cgroups.processes(contextID))
    const outside = (await readProcessTree(root)).filter(pid => !inside.has(pid))
    if (outside.length === 0) return
    for (const pid of outside) {
      await cgroups.enter(contextID, pid).catch(error => {
        // A descendant may end meanwhile; the root is looked at again in the end.
        if (!(error instanceof KernelError && error.errno === 'ESRCH')) throw error
      })
    }
  }
  throw new KernelError({ op: 'cgroup.procs', errno: 'EBUSY', detail: `process ${root} keeps forking` })
}
