import { type ProcessingUnitsHandler, runAll } from '@trireme/core'
import { linuxCgroupMonitor, readProcessFacts } from '@trireme/monitor-linux-cgroup'
import { chainPrefix, findInstances, removeInstance } from '@trireme/supervisor-iptables'
import { removeState } from './daemon-state.js'
import { messageOf } from './failure.js'
import { forgetInstance, type Instance, isAlive, listInstances } from './instance-registry.js'

/** What `uninstallAll` did, a sentence each. */
export interface UninstalledAll {
  readonly removed: readonly string[]
  /** What a live daemon holds: not touched. */
  readonly kept: readonly string[]
  /** What should have gone, and is still there. */
  readonly left: readonly string[]
}

/**
 * Removes what daemons of any server ID left in this network namespace and what a live one does not hold: rules, sets, cgroups
 * and state.
 * @throws KernelError where the rules cannot be read completely.
 */
export async function uninstallAll(): Promise<UninstalledAll> {
  const own = await readProcessFacts('self')
  const here = (await listInstances()).filter(each => each.networkNamespace === own?.networkNamespace)
  const alive = await Promise.all(here.map(isAlive))
  const live = new Set(here.filter((_, i) => alive[i]).map(({ serverID }) => chainPrefix(serverID)))
  const ended = here.filter((_, i) => !alive[i])
  const result = { removed: [] as string[], kept: [] as string[], left: [] as string[] }
  for (const { prefix, isServed } of await findInstances()) {
    const isEnded = ended.some(({ serverID }) => chainPrefix(serverID) === prefix)
    // Without a record of its end, a queue that is served speaks for a live process.
    if (live.has(prefix) || (isServed && !isEnded))
      result.kept.push(`${prefix}…: a live daemon holds its rules`)
    else await attempt(result, `the rules and sets ${prefix}…`, () => removeInstance(prefix))
  }
  for (const instance of ended) {
    await attempt(result, `cgroups and state of server ID ${instance.serverID}`, () => removeFiles(instance))
  }
  return result
}

/** Nothing is enforced: nothing needs to hear of the PUs that end. */
const noHandler: ProcessingUnitsHandler = {
  setPURuntime() {},
  async handlePUEvent() {},
}

async function removeFiles(instance: Instance): Promise<void> {
  const { serverID, stateDir } = instance
  const monitor = linuxCgroupMonitor({ stateDir, name: serverID })({ handler: noHandler })
  await runAll([() => monitor.uninstall(), () => removeState(instance)])
  await forgetInstance(instance)
}

async function attempt(
  { removed, left }: { readonly removed: string[]; readonly left: string[] },
  what: string,
  remove: () => Promise<void>,
): Promise<void> {
  try {
    await remove()
    removed.push(what)
  } catch (error) {
    left.push(`${what} are still there: ${messageOf(error)}`)
  }
}
