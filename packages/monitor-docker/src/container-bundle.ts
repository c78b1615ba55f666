import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { WaitingContainer } from './start-gate.js'

/** What the engine itself mounts into a container out of its own folder of that or, in a shared network, another container. */
const MOUNTS: readonly string[] = ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf', '/dev/shm']

/**
 * The engine's root folder, as the bundle of a container tells it that is being created: by the sources of the mounts that the engine makes
 * (OCI runtime specification, "Mounts"). Undefined where it does not.
 */
export async function engineFolderOf({ bundle }: WaitingContainer): Promise<string | undefined> {
  if (bundle === undefined) return undefined
  try {
    return engineFolderIn(JSON.parse(await readFile(join(bundle, 'config.json'), 'utf8')))
  } catch {
    // The bundle lies where this process does not see it: the engine is asked instead.
    return undefined
  }
}

/** @param config the text of a bundle's `config.json`, parsed. */
export function engineFolderIn(config: unknown): string | undefined {
  const { mounts } = (config ?? {}) as { readonly mounts?: unknown }
  for (const mount of Array.isArray(mounts) ? mounts : []) {
    const { destination, source } = (mount ?? {}) as Readonly<Record<string, unknown>>
    if (typeof destination !== 'string' || typeof source !== 'string' || !MOUNTS.includes(destination))
      continue
    const folder = /^(\/.*)\/containers\/[0-9a-f]{64}\//.exec(source)?.[1]
    if (folder !== undefined) return folder
  }
  return undefined
}
