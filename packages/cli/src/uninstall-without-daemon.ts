import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type ProcessingUnitsHandler, runAll, TriremeError } from '@trireme/core'
import { linuxCgroupMonitor, readProcessFacts } from '@trireme/monitor-linux-cgroup'
import { iptablesSupervisor } from '@trireme/supervisor-iptables'
import type { Config } from './config.js'
import { removeSocket } from './control/control-socket.js'
import { assertUnused, readState, removeState } from './daemon-state.js'
import { freeContainers } from './free-containers.js'
import { forgetInstance } from './instance-registry.js'
import { isNamespaceInUse } from './network-namespaces.js'
import { userAccount } from './user-account.js'

/** Nobody enforces: nothing needs to hear of the PUs that end. */
const nobody: ProcessingUnitsHandler = {
  setPURuntime() {},
  async handlePUEvent() {},
}

/** A user who is gone has no socket that anybody could use. */
async function userIDs({ users }: Config): Promise<readonly number[]> {
  const accounts = await Promise.allSettled(users.map(userAccount))
  return accounts.flatMap(each => (each.status === 'fulfilled' ? [each.value.uid] : []))
}

/**
 * Removes all that daemons of this configuration left: rules, cgroups, state and socket. Idempotent. Returns what is left where it
 * cannot be reached, a sentence each.
 * @throws CommandFailure where the daemon still runs, and what could not be removed.
 */
export async function uninstallWithoutDaemon(config: Config): Promise<readonly string[]> {
  const left: string[] = []
  const { serverID, stateDir, networks, excludedNetworks, socket, monitors } = config
  const state = await readState(config)
  await assertUnused(stateDir, state)
  const own = await readProcessFacts('self')
  const isElsewhere = state && state.networkNamespace !== own?.networkNamespace
  if (isElsewhere && (await isNamespaceInUse(state.networkNamespace))) {
    left.push(
      `the daemon ran in network namespace ${state.networkNamespace}, this is ${own?.networkNamespace}: ` +
        'its rules there have to be removed from inside it',
    )
  }
  const monitor = linuxCgroupMonitor({ stateDir, name: serverID })({ handler: nobody })
  const supervisor = iptablesSupervisor({})({
    serverID,
    filterQueue: () => {
      throw new TriremeError('ERR_NOT_STARTED', 'uninstalling needs no queue')
    },
    networks: { trireme: networks, excluded: excludedNetworks },
  })
  const { docker } = monitors
  await runAll([
    async () => docker && (await freeContainers({ serverID, docker }, what => left.push(what))),
    () => supervisor.uninstall(),
    () => monitor.uninstall(),
    () => rm(join(stateDir, 'sessions'), { recursive: true, force: true }),
    () => removeState(config),
    async () => removeSocket(socket, await userIDs(config)),
  ])
  await forgetInstance({ serverID, networkNamespace: state?.networkNamespace ?? own?.networkNamespace ?? '' })
  return left
}
