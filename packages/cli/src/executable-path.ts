import { access, constants, stat } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'

/** The file that a shell would execute under this name, or undefined where it would find none. */
export async function executablePath(
  program: string,
  path = process.env['PATH'] ?? '',
): Promise<string | undefined> {
  const candidates = program.includes('/')
    ? [program]
    : path.split(delimiter).map(folder => join(folder, program))
  for (const candidate of candidates) if (await isExecutable(candidate)) return resolve(candidate)
  return undefined
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK)
    return (await stat(file)).isFile()
  } catch {
    return false
  }
}
