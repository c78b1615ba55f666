import 'reflect-metadata'
import { type KeyObject, randomBytes, webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { compressedP256SPKI, formatPEM, NODE_KEY_USAGE } from '@trireme/core'

/** A name as certificates carry it: of a subject to be, or in DER of a CA that exists. */
export interface CertificateOrder {
  readonly subject: string
  readonly publicKey: KeyObject
  readonly notBefore: Date
  readonly notAfter: Date
  /** Whose key signs: the subject's own where there is no CA. */
  readonly signer: { readonly name: string; readonly privateKey: KeyObject }
}

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/** A CA's certificate in PEM: it may sign certificates of nodes, and no further CA. */
export function mintCACertificate(order: CertificateOrder): Promise<string> {
  const spki = order.publicKey.export({ type: 'spki', format: 'der' })
  return mint(order, spki, [
    new BasicConstraintsExtension(true, 0, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
  ])
}

/** A node's certificate in PEM, with nothing that a record could do without: it has to fit a SYN. */
export function mintNodeCertificate(order: CertificateOrder): Promise<string> {
  const spki = compressedP256SPKI(order.publicKey)
  return mint(order, spki, [new ExtendedKeyUsageExtension([NODE_KEY_USAGE], true)])
}

async function mint(order: CertificateOrder, spki: Uint8Array, extensions: Extension[]): Promise<string> {
  const { subject, notBefore, notAfter, signer } = order
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: new Name([{ CN: [subject] }]),
    issuer: new Name([{ CN: [signer.name] }]),
    notBefore,
    notAfter,
    publicKey: Uint8Array.from(spki),
    signingKey: await importPrivate(signer.privateKey),
    signingAlgorithm: ECDSA,
    extensions,
  })
  return formatPEM('CERTIFICATE', new Uint8Array(certificate.rawData))
}

/** 63 random bits: positive, and enough that no two certificates of a CA meet. */
function serialNumber(): string {
  const bytes = randomBytes(8)
  bytes[0]! &= 0x7f
  bytes[0]! |= 0x40
  return bytes.toString('hex')
}

function importPrivate(key: KeyObject): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), ECDSA, false, [
    'sign',
  ])
}
