import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { CommandFailure, EXIT } from '../failure.js'
import { writeKeyFiles } from './key-files.js'
import { mintCACertificate } from './mint-certificate.js'
import { validityFor } from './validity-for.js'

/** The files of a CA in its folder. */
export const CA_FILE = 'ca.pem'
export const CA_KEY_FILE = 'ca-key.pem'

export interface NewCAOptions {
  readonly out: string
  readonly name: string
  readonly days: number
  readonly force?: boolean
}

/** A common name holds 64 characters (RFC 5280 appendix A.1); none that hides or breaks a line. */
const NAME = /^[^\p{C}\p{Zl}\p{Zp}]{1,64}$/u

/** `trireme keys ca`: a self-signed CA on P-256. Answers with what to print. */
export async function newCA({ out, name, days, force = false }: NewCAOptions): Promise<string> {
  if (!NAME.test(name)) {
    throw new CommandFailure(
      EXIT.badInput,
      `--name ${JSON.stringify(name)}: expected 1 to 64 printable characters`,
    )
  }
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const validity = validityFor(days)
  const certificate = await mintCACertificate({
    subject: name,
    publicKey,
    signer: { name, privateKey },
    ...validity,
  })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  await writeKeyFiles({ [CA_KEY_FILE]: key, [CA_FILE]: certificate }, { folder: out, force })
  return (
    `${join(out, CA_FILE)}: for every node; good until ${validity.notAfter.toISOString()}\n` +
    `${join(out, CA_KEY_FILE)}: keep it from every node: whoever holds it can claim any identity\n`
  )
}
