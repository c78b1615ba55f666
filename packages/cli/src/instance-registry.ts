import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { readProcessFacts } from '@trireme/monitor-linux-cgroup'
import { z } from 'zod'
import { removeIfEmpty } from './remove-if-empty.js'
import { writeAtomically } from './write-atomically.js'

/** Lost when the machine starts anew, as rules and cgroups are. */
const FOLDER = '/run/trireme/instances'

const schema = z.object({
  serverID: z.string(),
  pid: z.int(),
  startTime: z.string(),
  /** As `net:[4026531840]`. */
  networkNamespace: z.string(),
  stateDir: z.string(),
  socket: z.string(),
})

/** A daemon that enforced, or enforces, in a network namespace. */
export type Instance = z.output<typeof schema>

/** Writes down that this process enforces. @throws the system's error where it cannot be written. */
export async function registerInstance(
  own: Pick<Instance, 'serverID' | 'stateDir' | 'socket'>,
  folder = FOLDER,
): Promise<void> {
  const { serverID, stateDir, socket } = own
  const instance = { serverID, stateDir, socket, pid: process.pid, ...(await readProcessFacts('self'))! }
  const write = async () => {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeAtomically(fileOf(instance, folder), JSON.stringify(instance))
  }
  // An uninstall of another namespace may remove the empty folder between the two.
  await write().catch(error => (error.code === 'ENOENT' ? write() : Promise.reject(error)))
}

/** Forgets an instance that has left nothing, and removes the folders that the last one leaves empty. */
export async function forgetInstance(
  instance: Pick<Instance, 'serverID' | 'networkNamespace'>,
  folder = FOLDER,
): Promise<void> {
  await rm(fileOf(instance, folder), { force: true })
  await removeIfEmpty(folder)
  if (folder === FOLDER) await removeIfEmpty(dirname(FOLDER))
}

/** The same of this process's namespace. */
export async function forgetOwnInstance(serverID: string, folder = FOLDER): Promise<void> {
  const own = await readProcessFacts('self')
  if (own) await forgetInstance({ serverID, networkNamespace: own.networkNamespace }, folder)
}

/** All instances, of every namespace, that were not uninstalled since the machine started. A damaged file is none. */
export async function listInstances(folder = FOLDER): Promise<readonly Instance[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const files = names.filter(name => name.endsWith('.json')).map(name => join(folder, name))
  const instances = await Promise.all(files.map(readInstance))
  return instances.filter(instance => instance !== undefined)
}

/** Whether its process runs. */
export async function isAlive({ pid, startTime }: Instance): Promise<boolean> {
  return (await readProcessFacts(pid))?.startTime === startTime
}

/** The live daemons of this process's network namespace, but for this process. */
export async function liveNeighbours(folder = FOLDER): Promise<readonly Instance[]> {
  const own = await readProcessFacts('self')
  const all = (await listInstances(folder)).filter(
    each => each.networkNamespace === own?.networkNamespace && each.pid !== process.pid,
  )
  const alive = await Promise.all(all.map(isAlive))
  return all.filter((_, i) => alive[i])
}

async function readInstance(file: string): Promise<Instance | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    // Removed meanwhile, or damaged: what is in the kernel is found without it.
    return undefined
  }
}

function fileOf(
  { serverID, networkNamespace }: Pick<Instance, 'serverID' | 'networkNamespace'>,
  folder: string,
) {
  const server = createHash('sha256').update(serverID).digest('hex').slice(0, 16)
  return join(folder, `${/\d+/.exec(networkNamespace)?.[0] ?? 'unknown'}-${server}.json`)
}
