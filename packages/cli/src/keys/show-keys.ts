import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CommandFailure, EXIT, messageOf } from '../failure.js'
import { printable } from '../printable.js'
import { describeSecret } from './describe-secret.js'
import { readKeyFile } from './key-files.js'

/**
 * `trireme keys show`: a line for each thing in a file, or in the files of a folder.
 * @throws CommandFailure with status 2 where there is nothing to show.
 */
export async function showKeys(path: string): Promise<string> {
  const files = await filesAt(path)
  const lines: string[] = []
  for (const file of files) {
    for (const thing of describeSecret(await readKeyFile(file))) lines.push(`${file}: ${thing}`)
  }
  if (lines.length === 0) throw new CommandFailure(EXIT.badInput, `${path} holds no file`)
  return `${lines.map(printable).join('\n')}\n`
}

async function filesAt(path: string): Promise<readonly string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path]
    const entries = await readdir(path, { withFileTypes: true })
    const files = entries.filter(entry => entry.isFile()).map(({ name }) => join(path, name))
    return files.sort()
  } catch (cause) {
    throw new CommandFailure(EXIT.badInput, `${path} cannot be read: ${messageOf(cause)}`, { cause })
  }
}
