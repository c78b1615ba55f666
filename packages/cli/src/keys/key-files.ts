import { lstat, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CommandFailure, EXIT, messageOf } from '../failure.js'

/** @throws CommandFailure with status 2 and the path where the file cannot be read. */
export async function readKeyFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw failure(path, 'cannot be read', cause)
  }
}

export interface KeyFilesOptions {
  /** Made where it does not exist. */
  readonly folder: string
  readonly force?: boolean
}

/**
 * Writes files for their owner alone (0600), by name. Without `force` none is written where one exists.
 * @throws CommandFailure with status 2.
 */
export async function writeKeyFiles(
  files: Readonly<Record<string, string>>,
  { folder, force = false }: KeyFilesOptions,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch(cause => {
    throw failure(folder, 'cannot be made', cause)
  })
  const named = Object.entries(files).map(([name, text]) => ({ path: join(folder, name), text }))
  if (!force) for (const { path } of named) await refuseExisting(path)
  for (const { path, text } of named) {
    await (force ? replaceFile(path, text) : writeNew(path, text)).catch(cause => {
      throw failure(path, 'cannot be written', cause)
    })
  }
}

async function refuseExisting(path: string): Promise<void> {
  const exists = await lstat(path).then(
    () => true,
    () => false,
  )
  if (exists) throw new CommandFailure(EXIT.badInput, `${path} exists: --force overwrites it`)
}

async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Never leaves half a file, nor the permissions of the one before. */
async function replaceFile(path: string, text: string): Promise<void> {
  const next = `${path}.${process.pid}.new`
  try {
    await writeNew(next, text)
    await rename(next, path)
  } catch (error) {
    await rm(next, { force: true })
    throw error
  }
}

function failure(path: string, what: string, cause: unknown): CommandFailure {
  return new CommandFailure(EXIT.badInput, `${path} ${what}: ${messageOf(cause)}`, { cause })
}
