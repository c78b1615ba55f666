/** Certificates for the tests, made by a library that the product does not use. */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { NODE_KEY_USAGE } from './node-key-usage.js'
import { formatPEM } from './pem.js'

// Through here, because their library wants a polyfill before it.
export { ExtendedKeyUsageExtension, Extension, KeyUsageFlags, KeyUsagesExtension } from '@peculiar/x509'

/** When the tests' clock begins. */
export const NOW_MS = Date.UTC(2030, 0, 1)
export const DAY_MS = 86_400_000

export interface TestCertificate {
  readonly name: string
  readonly keys: webcrypto.CryptoKeyPair
  readonly keyPEM: string
  readonly certPEM: string
  readonly der: Uint8Array
}

export interface CertificateDifferences {
  /** A distinguished name. */
  readonly name?: string
  readonly issuer?: TestCertificate
  readonly keys?: webcrypto.CryptoKeyPair
  /** Days from `NOW_MS`. */
  readonly from?: number
  readonly to?: number
  readonly extensions?: readonly Extension[]
  readonly hash?: 'SHA-1' | 'SHA-256' | 'SHA-384'
}

export const nodeUsage = () => new ExtendedKeyUsageExtension([NODE_KEY_USAGE], true)
export const caConstraints = (pathLength?: number) => new BasicConstraintsExtension(true, pathLength, true)

/** A CA's, self-signed and good for a year, but for what is said otherwise. */
export function newCA(differences: CertificateDifferences = {}): Promise<TestCertificate> {
  return newCertificate({ name: 'CN=CA', from: -30, to: 365, extensions: [caConstraints()], ...differences })
}

/** One of host-a under `issuer`, good for 90 days, but for what is said otherwise. */
export function newNode(
  issuer: TestCertificate,
  differences: CertificateDifferences = {},
): Promise<TestCertificate> {
  return newCertificate({
    ...{ name: 'CN=host-a', issuer, from: -1, to: 90, extensions: [nodeUsage()] },
    ...differences,
  })
}

export function newKeys(namedCurve = 'P-256'): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve }, true, ['sign', 'verify'])
}

export async function newRSAKeys(): Promise<webcrypto.CryptoKeyPair> {
  const publicExponent = Uint8Array.of(1, 0, 1)
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent, hash: 'SHA-256' }
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

async function newCertificate(wanted: CertificateDifferences & { name: string }): Promise<TestCertificate> {
  const { name, issuer, from = 0, to = 1, extensions = [], hash = 'SHA-256' } = wanted
  const keys = wanted.keys ?? (await newKeys())
  const signer = issuer?.keys ?? keys
  const { rawData } = await X509CertificateGenerator.create({
    subject: name,
    issuer: issuer?.name ?? name,
    notBefore: new Date(NOW_MS + from * DAY_MS),
    notAfter: new Date(NOW_MS + to * DAY_MS),
    publicKey: keys.publicKey,
    signingKey: signer.privateKey,
    signingAlgorithm: { name: signer.privateKey.algorithm.name, hash },
    extensions: [...extensions],
  })
  const der = new Uint8Array(rawData)
  const pkcs8 = new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  const keyPEM = formatPEM('PRIVATE KEY', pkcs8)
  return { name, keys, keyPEM, certPEM: formatPEM('CERTIFICATE', der), der }
}
