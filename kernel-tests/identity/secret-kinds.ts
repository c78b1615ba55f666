import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  compactPKISecrets,
  formatPEM,
  nullSecrets,
  p256KeyID,
  pkiSecrets,
  prepopulatedPKISecrets,
  pskSecrets,
  type Secrets,
  STATEMENT_LABEL,
  signStatement,
} from '@trireme/core'
import { mintCACertificate, mintNodeCertificate } from '../../packages/cli/src/keys/mint-certificate.js'

/** When the tests' clock begins, and a day. */
export const NOW_MS = Date.UTC(2030, 0, 1)
const DAY_MS = 86_400_000
const VALIDITY = { notBefore: new Date(NOW_MS - DAY_MS), notAfter: new Date(NOW_MS + 90 * DAY_MS) }

export interface Authority {
  readonly name: string
  readonly privateKey: KeyObject
  readonly keyID: string
  readonly certPEM: string
}

export interface Material {
  readonly serverID: string
  readonly keyPEM: string
  readonly certPEM: string
  readonly statementPEM: string
}

export async function newAuthority(name: string): Promise<Authority> {
  const { publicKey, privateKey } = newKeys()
  const certPEM = await mintCACertificate({
    subject: name,
    publicKey,
    signer: { name, privateKey },
    ...VALIDITY,
  })
  return { name, privateKey, keyID: p256KeyID(publicKey), certPEM }
}

/** A node's key, vouched for in both forms; for 30 days. */
export async function newMaterial(ca: Authority, serverID: string): Promise<Material> {
  const { publicKey, privateKey } = newKeys()
  const notAfter = new Date(NOW_MS + 30 * DAY_MS)
  const order = { ...VALIDITY, subject: serverID, publicKey, notAfter, signer: ca }
  const statement = { serverID, publicKey, notAfter: notAfter.getTime() / 1000 }
  return {
    serverID,
    keyPEM: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    certPEM: await mintNodeCertificate(order),
    statementPEM: formatPEM(STATEMENT_LABEL, signStatement(statement, ca.privateKey, ca.keyID)),
  }
}

export type SecretKind = 'psk' | 'pki' | 'pki-prepopulated' | 'compact-pki' | 'null'
export const SECRET_KINDS: readonly SecretKind[] = ['psk', 'pki', 'pki-prepopulated', 'compact-pki', 'null']

/** Secrets of one kind for the node of this material, which knows the certificates of `others` where it must. */
export function secretsFor(
  kind: SecretKind,
  material: Material,
  { ca, others = [], now }: { ca: Authority; others?: readonly Material[]; now: () => number },
): Secrets {
  const options = { ...material, caCertPEM: ca.certPEM, now }
  if (kind === 'psk') return pskSecrets({ key: Buffer.from('the same on every host of the tests') })
  if (kind === 'pki') return pkiSecrets(options)
  if (kind === 'compact-pki') return compactPKISecrets(options)
  if (kind === 'null') return nullSecrets({ allow: true })
  const secrets = prepopulatedPKISecrets(options)
  for (const { serverID, certPEM } of others) secrets.publicKeyAdd(serverID, certPEM)
  return secrets
}

function newKeys() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}
