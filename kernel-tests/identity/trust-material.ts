import 'reflect-metadata'
import { createPublicKey, KeyObject, type webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import {
  type AuthMode,
  compactPKISecrets,
  compressedP256SPKI,
  formatPEM,
  NODE_KEY_USAGE,
  nullSecrets,
  p256KeyID,
  pkiSecrets,
  prepopulatedPKISecrets,
  pskSecrets,
  type Secrets,
  STATEMENT_LABEL,
  signStatement,
} from '@trireme/core'

/** The two nodes of every vector and measurement. */
export const SERVER_IDS = { client: 'host-a', server: 'host-b' } as const
export type Role = keyof typeof SERVER_IDS

export const MODES: readonly AuthMode[] = ['psk', 'pki', 'pki-prepopulated', 'compact-pki', 'null']

/** Everything that the two nodes prove their identities with, as text. */
export interface TrustMaterial {
  readonly mode: AuthMode
  /** Pre-shared key, in hex. */
  readonly psk?: string
  readonly caCertPEM?: string
  readonly client?: NodeMaterial
  readonly server?: NodeMaterial
}

export interface NodeMaterial {
  readonly keyPEM: string
  readonly certPEM?: string
  readonly statementPEM?: string
}

/** New material, good from a day before `nowMs` for 90 days. Certificates as lean as they may be. */
export async function newTrustMaterial(mode: AuthMode, nowMs: number): Promise<TrustMaterial> {
  if (mode === 'null') return { mode }
  if (mode === 'psk') return { mode, psk: Buffer.from('a pre-shared key for test vectors').toString('hex') }
  const ca = await newKeys()
  const caCertPEM = await mint({ name: 'trireme', keys: ca, signer: { name: 'trireme', keys: ca }, nowMs })
  const node = async (serverID: string): Promise<NodeMaterial> => {
    const keys = await newKeys()
    const keyPEM = String(KeyObject.from(keys.privateKey).export({ format: 'pem', type: 'pkcs8' }))
    if (mode === 'compact-pki') return { keyPEM, statementPEM: state(serverID, keys, ca, nowMs) }
    return {
      keyPEM,
      certPEM: await mint({ name: serverID, keys, signer: { name: 'trireme', keys: ca }, nowMs }),
    }
  }
  return { mode, caCertPEM, client: await node(SERVER_IDS.client), server: await node(SERVER_IDS.server) }
}

/** What one of the two nodes holds. Prepopulated keys: its own and the other's are known. */
export function secretsOf(material: TrustMaterial, role: Role, now: () => number): Secrets {
  const { mode, psk = '', caCertPEM = '' } = material
  if (mode === 'null') return nullSecrets({ allow: true })
  if (mode === 'psk') return pskSecrets({ key: Buffer.from(psk, 'hex') })
  const { keyPEM, certPEM = '', statementPEM = '' } = material[role]!
  if (mode === 'compact-pki') return compactPKISecrets({ keyPEM, statementPEM, caCertPEM, now })
  if (mode === 'pki') return pkiSecrets({ keyPEM, certPEM, caCertPEM, now })
  const secrets = prepopulatedPKISecrets({ keyPEM, certPEM, caCertPEM, now })
  const other = role === 'client' ? 'server' : 'client'
  secrets.publicKeyAdd(SERVER_IDS[other], material[other]!.certPEM!)
  return secrets
}

interface Named {
  readonly name: string
  readonly keys: webcrypto.CryptoKeyPair
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 86_400_000

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
}

async function mint(wanted: Named & { readonly signer: Named; readonly nowMs: number }): Promise<string> {
  const { name, keys, signer, nowMs } = wanted
  const isCA = keys === signer.keys
  const certificate = await X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: `CN=${signer.name}`,
    serialNumber: '4102030405060708',
    notBefore: new Date(nowMs - DAY_MS),
    notAfter: new Date(nowMs + 89 * DAY_MS),
    publicKey: isCA ? keys.publicKey : Uint8Array.from(compressedP256SPKI(KeyObject.from(keys.publicKey))),
    signingKey: signer.keys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      isCA
        ? new BasicConstraintsExtension(true, undefined, true)
        : new ExtendedKeyUsageExtension([NODE_KEY_USAGE], true),
    ],
  })
  return certificate.toString('pem')
}

function state(
  serverID: string,
  keys: webcrypto.CryptoKeyPair,
  ca: webcrypto.CryptoKeyPair,
  nowMs: number,
): string {
  const publicKey = KeyObject.from(keys.publicKey)
  const caKey = KeyObject.from(ca.privateKey)
  const notAfter = Math.floor(nowMs / 1000) + 89 * 86_400
  const statement = signStatement({ serverID, publicKey, notAfter }, caKey, p256KeyID(createPublicKey(caKey)))
  return formatPEM(STATEMENT_LABEL, statement)
}
