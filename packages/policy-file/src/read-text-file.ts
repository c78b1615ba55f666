import { readFile } from 'node:fs/promises'
import { TriremeError, type TriremeErrorCode } from '@trireme/core'

/**
 * The text of a UTF-8 file.
 * @throws TriremeError with the given code where the file cannot be read or is not UTF-8.
 */
export async function readTextFile(path: string, code: TriremeErrorCode): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new TriremeError(code, `${path}: ${reason}, expected a readable file in UTF-8`, { cause })
  }
}
