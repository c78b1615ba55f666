import { randomBytes } from 'node:crypto'
import { basename, dirname } from 'node:path'
import { writeKeyFiles } from './key-files.js'

export interface NewPSKOptions {
  readonly out?: string
  readonly force?: boolean
}

/** `trireme keys psk`: 32 random bytes as 43 characters of base64url and a newline. Answers with what to print. */
export async function newPSK({ out, force = false }: NewPSKOptions): Promise<string> {
  const line = `${randomBytes(32).toString('base64url')}\n`
  if (out === undefined) return line
  await writeKeyFiles({ [basename(out)]: line }, { folder: dirname(out), force })
  return `${out}: a pre-shared key, for every node\n`
}
