import { type DERElement, readDER } from './der.js'

/** An extension's value, by its object identifier. */
export interface CertificateExtension {
  readonly isCritical: boolean
  readonly value: Uint8Array
}

/** What of a certificate (RFC 5280 §4.1) node:crypto does not show. Object identifiers are their contents octets in hex. */
export interface CertificateFields {
  readonly signatureAlgorithm: string
  readonly extensions: ReadonlyMap<string, CertificateExtension>
}

const BOOLEAN = 0x01
const INTEGER = 0x02
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const OBJECT_IDENTIFIER = 0x06
const SEQUENCE = 0x30
/** `[3] EXPLICIT Extensions` */
const EXTENSIONS = 0xa3

/** Undefined where the bytes are no certificate in DER, to the last extension, or one with an extension twice. */
export function certificateFields(der: Uint8Array): CertificateFields | undefined {
  const [tbs, algorithm] = sequence(only(readDER(der))) ?? []
  const identifier = sequence(algorithm)?.[0]
  const fields = sequence(tbs)
  if (identifier?.tag !== OBJECT_IDENTIFIER || !fields) return undefined
  const wrapper = fields.find(({ tag }) => tag === EXTENSIONS)
  const extensions = wrapper ? readExtensions(wrapper) : new Map<string, CertificateExtension>()
  return extensions && { signatureAlgorithm: hex(identifier.content), extensions }
}

/** `pathLenConstraint` of basicConstraints (RFC 5280 §4.2.1.9); infinite where there is none, 0 where it cannot be read. */
export function pathLengthOf(basicConstraints: Uint8Array): number {
  const fields = sequence(only(readDER(basicConstraints)))
  if (!fields) return 0
  const length = fields.find(({ tag }) => tag === INTEGER)
  return length ? Number.parseInt(hex(length.content), 16) || 0 : Number.POSITIVE_INFINITY
}

/** The first eight bits of keyUsage (RFC 5280 §4.2.1.3): 0x80 digitalSignature, 0x04 keyCertSign. */
export function keyUsageBits(keyUsage: Uint8Array): number {
  const bits = only(readDER(keyUsage))
  return bits?.tag === BIT_STRING ? (bits.content[1] ?? 0) : 0
}

function readExtensions(wrapper: DERElement): Map<string, CertificateExtension> | undefined {
  const elements = sequence(only(readDER(wrapper.content)))
  // OpenSSL also reads BER: what it would act upon must not go unread here.
  if (!elements) return undefined
  const found = new Map<string, CertificateExtension>()
  for (const element of elements) {
    const [id, ...rest] = sequence(element) ?? []
    const value = rest.at(-1)
    if (id?.tag !== OBJECT_IDENTIFIER || value?.tag !== OCTET_STRING || found.has(hex(id.content)))
      return undefined
    const isCritical = rest.length === 2 && rest[0]?.tag === BOOLEAN && rest[0].content[0] !== 0
    found.set(hex(id.content), { isCritical, value: value.content })
  }
  return found
}

function sequence(element: DERElement | undefined): readonly DERElement[] | undefined {
  return element?.tag === SEQUENCE ? readDER(element.content) : undefined
}

function only(elements: readonly DERElement[] | undefined): DERElement | undefined {
  return elements?.length === 1 ? elements[0] : undefined
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
