import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KernelError } from '@trireme/core'
import { type ContainerInspection, parseInspection } from './container-inspection.js'

/**
 * What an inspection would say of a container that is being started, read off the engine's own files: the engine cannot be
 * asked then, it holds the container's lock.
 */
export async function readContainerFiles(
  rootFolder: string,
  { id, pid }: { readonly id: string; readonly pid: number },
): Promise<ContainerInspection> {
  const folder = join(rootFolder, 'containers', id)
  const config = (await readJSON(join(folder, 'config.v2.json'))) as { readonly ID?: unknown }
  const hostConfig = await readJSON(join(folder, 'hostconfig.json'))
  return parseInspection({
    ...config,
    Id: config.ID,
    HostConfig: hostConfig,
    State: { Status: 'created', Running: true, Paused: false, Pid: pid },
  })
}

async function readJSON(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    const { code = 'JSON', message } = cause as NodeJS.ErrnoException
    throw new KernelError({ op: 'read container', errno: code, detail: message, cause })
  }
}
