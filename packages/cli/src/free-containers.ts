import { TriremeError } from '@trireme/core'
import { visitContainerNamespaces } from '@trireme/monitor-docker'
import { iptablesSupervisor } from '@trireme/supervisor-iptables'
import type { DockerConfig } from './docker-config.js'
import { dockerOptions } from './docker-options.js'
import { messageOf } from './failure.js'

/** Whose rules are to go. */
export interface EnforcedBefore {
  readonly serverID: string
  readonly docker: DockerConfig
}

/**
 * Takes the rules of a daemon that is gone out of the network namespaces of all containers that run.
 * @param onLeft hears where rules remain.
 */
export async function freeContainers(
  { serverID, docker }: EnforcedBefore,
  onLeft: (message: string) => void,
): Promise<void> {
  try {
    await visitContainerNamespaces(await dockerOptions(docker), async ({ contextID, path }) => {
      await removeRules(serverID, path).catch(error =>
        onLeft(`container ${contextID}: its rules remain until it ends: ${messageOf(error)}`),
      )
    })
  } catch (error) {
    onLeft(`rules in containers remain until these end: ${messageOf(error)}`)
  }
}

function removeRules(serverID: string, netns: string): Promise<void> {
  const supervisor = iptablesSupervisor({ netns })({
    serverID,
    filterQueue: () => {
      throw new TriremeError('ERR_NOT_STARTED', 'uninstalling needs no queue')
    },
    networks: { trireme: [], excluded: [] },
  })
  return supervisor.uninstall()
}
