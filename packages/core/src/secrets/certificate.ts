import { type KeyObject, X509Certificate } from 'node:crypto'
import {
  type CertificateFields,
  certificateFields,
  keyUsageBits,
  pathLengthOf,
} from './certificate-fields.js'
import { p256Fault, p256KeyID } from './p256-key.js'
import { refuseToken, type SecretFault } from './secret-fault.js'
import type { Validity } from './validity.js'

/** An X.509 certificate (RFC 5280) of a P-256 key, itself signed with ECDSA. Nobody has vouched for it yet. */
export interface Certificate {
  readonly x509: X509Certificate
  /** The values of its subject's common names; anyone may have none, a node has one. */
  readonly commonNames: readonly string[]
  readonly publicKey: KeyObject
  /** 16 hex digits in lower case. */
  readonly keyID: string
  readonly validity: Validity
  readonly isCA: boolean
  /** How many CA certificates may stand between this one and a node's. */
  readonly maxPathLength: number
  /** Whether its key may sign data, and certificates. Both where the certificate does not say. */
  readonly maySign: boolean
  readonly maySignCertificates: boolean
  /** Object identifiers; undefined where the certificate does not say. */
  readonly extendedKeyUsage: readonly string[] | undefined
}

const BASIC_CONSTRAINTS = '551d13'
const KEY_USAGE = '551d0f'
const EXTENDED_KEY_USAGE = '551d25'
/** Limits whom a CA may vouch for (RFC 5280 §4.2.1.10): nobody here would keep to them, so they refuse where not critical, too. */
const NAME_CONSTRAINTS = '551d1e'
/** A critical extension that is not understood refuses its certificate (RFC 5280 §4.2). */
const UNDERSTOOD = [BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE]
/** ecdsa-with-SHA256, -SHA384, -SHA512 (RFC 5758 §3.2). */
const SIGNATURE_ALGORITHMS = ['2a8648ce3d040302', '2a8648ce3d040303', '2a8648ce3d040304']
const DIGITAL_SIGNATURE = 0x80
const KEY_CERT_SIGN = 0x04

/** Reads a certificate of which these bytes are all, in DER. */
export function readCertificate(der: Uint8Array): Certificate | SecretFault {
  const x509 = parse(der)
  // OpenSSL would also take PEM, and overlook what comes after the certificate.
  if (!x509?.raw.equals(der)) return refuseToken('is no X.509 certificate in DER')
  const fields = certificateFields(der)
  if (!fields) return refuseToken('is no well-formed X.509 certificate')
  const { publicKey } = x509
  const problem = p256Fault(publicKey) ?? fieldsFault(fields)
  if (problem) return refuseToken(problem)
  const validity = { notBefore: Date.parse(x509.validFrom) / 1000, notAfter: Date.parse(x509.validTo) / 1000 }
  if (!Number.isFinite(validity.notBefore + validity.notAfter)) return refuseToken('has no readable validity')
  return { x509, publicKey, keyID: p256KeyID(publicKey), validity, ...statedBy(x509, fields) }
}

function statedBy(x509: X509Certificate, { extensions }: CertificateFields) {
  const constraints = extensions.get(BASIC_CONSTRAINTS)
  const usage = extensions.get(KEY_USAGE)
  const usageBits = usage ? keyUsageBits(usage.value) : DIGITAL_SIGNATURE | KEY_CERT_SIGN
  return {
    commonNames: commonNamesOf(x509),
    isCA: x509.ca,
    maxPathLength: constraints ? pathLengthOf(constraints.value) : Number.POSITIVE_INFINITY,
    maySign: (usageBits & DIGITAL_SIGNATURE) !== 0,
    maySignCertificates: (usageBits & KEY_CERT_SIGN) !== 0,
    extendedKeyUsage: x509.keyUsage as readonly string[] | undefined,
  }
}

/** How a message calls a certificate. */
export function certificateName({ x509, commonNames }: Certificate): string {
  return `certificate ${JSON.stringify(commonNames[0] ?? x509.subject ?? '')}`
}

function parse(der: Uint8Array): X509Certificate | undefined {
  try {
    const x509 = new X509Certificate(der)
    // A key that OpenSSL cannot read shows only when it is asked for.
    return x509.publicKey ? x509 : undefined
  } catch {
    // The bytes may be a peer's: nonsense is an answer like any other.
    return undefined
  }
}

function fieldsFault({ signatureAlgorithm, extensions }: CertificateFields): string | undefined {
  if (!SIGNATURE_ALGORITHMS.includes(signatureAlgorithm)) {
    return 'is signed in another way, expected ECDSA with SHA-256, SHA-384 or SHA-512'
  }
  const unknown = [...extensions].find(
    ([id, { isCritical }]) => (isCritical && !UNDERSTOOD.includes(id)) || id === NAME_CONSTRAINTS,
  )
  if (!unknown) return undefined
  const kind = unknown[1].isCritical ? 'a critical extension' : 'name constraints, an extension'
  return `has ${kind} that is not understood (object identifier ${unknown[0]} in hex)`
}

/** `subject` is text for people, with escapes; this form has each value as it is. */
function commonNamesOf(x509: X509Certificate): readonly string[] {
  const subject = x509.toLegacyObject().subject as unknown as Partial<Record<string, string | string[]>>
  const { CN: names = [] } = subject ?? {}
  return typeof names === 'string' ? [names] : names
}
