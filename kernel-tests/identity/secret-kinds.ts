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

function validity(nowMs: number, days: number) {
  return { notBefore: new Date(nowMs - DAY_MS), notAfter: new Date(nowMs + days * DAY_MS) }
}

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

/** Good from a day before `nowMs` for 90 days. */
export async function newAuthority(name: string, nowMs = NOW_MS): Promise<Authority> {
  const { publicKey, privateKey } = newKeys()
  const certPEM = await mintCACertificate({
    subject: name,
    publicKey,
    signer: { name, privateKey },
    ...validity(nowMs, 90),
  })
  return { name, privateKey, keyID: p256KeyID(publicKey), certPEM }
}

/** A node's key, vouched for in both forms; from a day before `nowMs` for 30 days. */
export async function newMaterial(ca: Authority, serverID: string, nowMs = NOW_MS): Promise<Material> {
  const { publicKey, privateKey } = newKeys()
  const order = { ...validity(nowMs, 30), subject: serverID, publicKey, signer: ca }
  const statement = { serverID, publicKey, notAfter: order.notAfter.getTime() / 1000 }
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
