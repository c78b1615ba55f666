import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import {
  MIN_PSK_BYTES,
  NODE_KEY_USAGE,
  type PEMBlock,
  p256Fault,
  p256KeyID,
  pemBlocks,
  pskSecrets,
  readStatement,
  STATEMENT_LABEL,
} from '@trireme/core'

const NEWLINE = 0x0a
/** Nobody's pre-shared key is that long. */
const MAX_PSK_BYTES = 4096

/** What a file holds, a phrase for each thing: names, key IDs and validity. Never a secret, nor a part of one. */
export function describeSecret(content: Uint8Array): readonly string[] {
  const blocks = pemBlocks(Buffer.from(content).toString('latin1'))
  return blocks.length > 0 ? blocks.map(describeBlock) : [describePSK(content)]
}

function describeBlock(block: PEMBlock): string {
  try {
    if (block.label === 'CERTIFICATE') return describeCertificate(new X509Certificate(block.der))
    if (block.label === STATEMENT_LABEL) return describeStatement(block.der)
    if (block.label.endsWith('PRIVATE KEY')) return describePrivateKey(block.text)
    return `${block.label}, of no use here`
  } catch {
    // OpenSSL's words for what it cannot read help nobody, and may quote it.
    return `${block.label} that cannot be read`
  }
}

function describeCertificate(x509: X509Certificate): string {
  const kind = x509.ca
    ? 'CA certificate'
    : x509.keyUsage?.includes(NODE_KEY_USAGE)
      ? 'node certificate'
      : undefined
  const what = `${kind ?? 'certificate that may not sign identities,'} ${oneLine(x509.subject)}`
  const issuer = x509.subject === x509.issuer ? 'self-signed' : `issued by ${oneLine(x509.issuer)}`
  const validity = describeValidity(new Date(x509.validFrom), new Date(x509.validTo))
  return `${what}, ${issuer}, ${describeKey(x509.publicKey)}, ${validity}, ${x509.raw.length} bytes`
}

function describeStatement(der: Uint8Array): string {
  const statement = readStatement(der)
  if (!statement) return `${STATEMENT_LABEL} that cannot be read`
  const { serverID, publicKey, caKeyID, notAfter } = statement
  const validity = describeValidity(undefined, new Date(notAfter * 1000))
  return `statement of ${serverID}, signed by key ID ${caKeyID}, ${describeKey(publicKey)}, ${validity}, ${der.length} bytes`
}

function describePrivateKey(text: string): string {
  if (text.includes('ENCRYPTED')) return 'private key, encrypted: of no use here'
  return `private key, ${describeKey(createPublicKey(createPrivateKey(text)))}`
}

function describePSK(content: Uint8Array): string {
  const key = content.at(-1) === NEWLINE ? content.subarray(0, -1) : content
  if (key.length < MIN_PSK_BYTES) return `no PEM, and ${key.length} bytes are too few for a pre-shared key`
  if (key.length > MAX_PSK_BYTES) return `no PEM, and ${key.length} bytes are too many for a pre-shared key`
  const { keyID } = pskSecrets({ key }).signer({ issuer: '', encoding: '' })
  return `no PEM: as a pre-shared key ${key.length} bytes, key ID ${keyID}`
}

function describeKey(key: KeyObject): string {
  const problem = p256Fault(key)
  return problem ? `whose key ${problem}` : `key ID ${p256KeyID(key)}`
}

function describeValidity(from: Date | undefined, to: Date): string {
  const now = Date.now()
  if (from && from.getTime() > now) return `NOT YET VALID: from ${from.toISOString()} to ${to.toISOString()}`
  return to.getTime() < now ? `EXPIRED at ${to.toISOString()}` : `good until ${to.toISOString()}`
}

function oneLine(name: string | undefined): string {
  return (name ?? '').replaceAll('\n', ', ')
}
