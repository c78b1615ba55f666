import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { p256Fault, p256KeyID, pemBlocks } from '@trireme/core'
import { CommandFailure, EXIT } from '../failure.js'
import { readKeyFile } from './key-files.js'
import { CA_FILE, CA_KEY_FILE } from './new-ca.js'

/** A CA that can sign. */
export interface IssuingCA {
  /** Its common name. */
  readonly name: string
  readonly keyID: string
  readonly privateKey: KeyObject
  readonly notAfter: Date
  /** All of `ca.pem`: during a rotation several CAs. */
  readonly bundlePEM: string
}

/** @throws CommandFailure with status 2 where the folder's files are no CA's, or do not belong together. */
export async function readCA(folder: string): Promise<IssuingCA> {
  const keyPath = join(folder, CA_KEY_FILE)
  const bundlePath = join(folder, CA_FILE)
  const privateKey = parseKey(await readKeyFile(keyPath), keyPath)
  const publicKey = createPublicKey(privateKey)
  const problem = p256Fault(publicKey)
  if (problem) throw new CommandFailure(EXIT.badInput, `${keyPath} ${problem}`)
  const bundlePEM = (await readKeyFile(bundlePath)).toString()
  const certificate = parseCertificates(bundlePEM, bundlePath).find(each => each.publicKey.equals(publicKey))
  if (!certificate) {
    throw new CommandFailure(EXIT.badInput, `${bundlePath} holds no certificate of the key in ${keyPath}`)
  }
  const notAfter = new Date(certificate.validTo)
  return {
    name: nameOf(certificate, bundlePath),
    keyID: p256KeyID(publicKey),
    privateKey,
    notAfter,
    bundlePEM,
  }
}

function parseKey(pem: Buffer, path: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new CommandFailure(EXIT.badInput, `${path} holds no private key in PEM that can be read`, { cause })
  }
}

function parseCertificates(pem: string, path: string): readonly X509Certificate[] {
  try {
    return pemBlocks(pem)
      .filter(({ label }) => label === 'CERTIFICATE')
      .map(({ der }) => new X509Certificate(der))
  } catch (cause) {
    throw new CommandFailure(EXIT.badInput, `${path} holds a certificate that cannot be read`, { cause })
  }
}

/** The issuer's name is written anew into what it signs: only a name that we write the same way will do. */
function nameOf(certificate: X509Certificate, path: string): string {
  const subject = certificate.toLegacyObject().subject as unknown as Readonly<Record<string, unknown>>
  const { CN: name, ...others } = subject
  if (typeof name === 'string' && Object.keys(others).length === 0) return name
  throw new CommandFailure(
    EXIT.badInput,
    `${path}: the CA's name has more than a common name, expected one of \`trireme keys ca\``,
  )
}
