import {
  canonicalTags,
  formatTag,
  type RecordClaims,
  type RecordSigner,
  recordClaimsFault,
  type Tag,
} from '@trireme/core'

/** What a token's header says of its signature. */
export type JWTHeader = Pick<RecordSigner, 'algorithm' | 'keyID' | 'credential'>

/** A token taken apart. Nothing refers to the bytes that were read. */
export interface DecodedJWT {
  readonly header: JWTHeader
  readonly claims: RecordClaims
  /** The whole token, as text. */
  readonly token: string
  readonly signature: Uint8Array
}

/** Explicit typing (RFC 8725 §3.11): no token made for another use is taken for a record. */
const TYPE = 'trireme+jwt'
const ALGORITHMS = ['HS256', 'ES256', 'none'] as const
/** Three parts of base64url without padding (RFC 7515 §2); only an unsigned token's last one is empty. */
const COMPACT = /^([\w-]+)\.([\w-]+)\.([\w-]*)$/

/**
 * A record as a JSON Web Token in compact form:
 *
 *     base64url(header) "." base64url(payload) "." base64url(signature)
 *
 *     header   {"alg":"HS256","kid":"0123456789abcdef","typ":"trireme+jwt"}
 *       alg    HS256, ES256 (r ‖ s, low s) or none (RFC 7518 §3)
 *       cred   the signer's credential in base64url; only where it travels
 *       kid    key ID
 *     payload  {"cnf":{"jwk":{"crv":"X25519","kty":"OKP","x":"…"}},"exp":1700000180,"iss":"host-a",
 *               "nbf":1700000000,"sub":"web-1","tags":["app=web"]}
 *       cnf    the ephemeral key (RFC 7800 §3.2, RFC 8037 §2)
 *       nbf    not before, seconds since 1970, an integer; exp: not after, likewise
 *       iss    issuer
 *       sub    PU ID
 *       tags   key=value, split at the first "="; ascending by key, then by value, compared as bytes of UTF-8; each once
 *
 * Header and payload are canonical JSON (RFC 8785) and have these members and no others. So an identity has one form, and
 * any other is refused: white space, another order, an escape that is not needed, a member twice, padding, stray bits.
 */
export function encodePayload(claims: RecordClaims): string {
  const x = base64url(claims.ephemeralKey)
  return JSON.stringify({
    cnf: { jwk: { crv: 'X25519', kty: 'OKP', x } },
    exp: claims.notAfter,
    iss: claims.issuer,
    nbf: claims.notBefore,
    sub: claims.puID,
    tags: canonicalTags(claims.tags).map(formatTag),
  })
}

/** The header's members, in the order in which they travel. */
export function headerMembers({ algorithm, keyID, credential }: JWTHeader) {
  const cred = credential?.length ? { cred: base64url(credential) } : {}
  return { alg: algorithm, ...cred, kid: keyID, typ: TYPE }
}

/** What no header can carry, as a phrase; undefined where all can be encoded. */
export function headerFault({ keyID }: JWTHeader): string | undefined {
  if (/^[\x21-\x7e]{1,64}$/.test(keyID)) return undefined
  return `the signer's key ID is ${JSON.stringify(keyID.slice(0, 80))}, expected 1 to 64 printable ASCII characters`
}

/** Takes a token apart, strictly; undefined for bytes that are none. */
export function decodeJWT(record: Uint8Array): DecodedJWT | undefined {
  const token = Buffer.from(record.buffer, record.byteOffset, record.byteLength).toString('latin1')
  const [, encodedHeader, encodedPayload, encodedSignature] = COMPACT.exec(token) ?? []
  if (encodedHeader === undefined || encodedPayload === undefined || encodedSignature === undefined)
    return undefined
  const header = readHeader(parseJSON(encodedHeader))
  const claims = readClaims(parseJSON(encodedPayload))
  const signature = Buffer.from(encodedSignature, 'base64url')
  if (!header || !claims || headerFault(header) || recordClaimsFault(claims)) return undefined
  // What was understood, written anew, is what was read: so nothing was overlooked.
  const isCanonical =
    base64urlOf(JSON.stringify(headerMembers(header))) === encodedHeader &&
    base64urlOf(encodePayload(claims)) === encodedPayload &&
    base64url(signature) === encodedSignature
  return isCanonical ? { header, claims, token, signature } : undefined
}

/** Members as they came: any of them may be missing or anything at all. */
interface UntrustedHeader {
  readonly alg?: unknown
  readonly cred?: unknown
  readonly kid?: unknown
}

interface UntrustedPayload {
  readonly cnf?: { readonly jwk?: { readonly x?: unknown } | null } | null
  readonly exp?: unknown
  readonly iss?: unknown
  readonly nbf?: unknown
  readonly sub?: unknown
  readonly tags?: unknown
}

function readHeader(json: UntrustedHeader): JWTHeader | undefined {
  const algorithm = ALGORITHMS.find(name => name === json.alg)
  if (!algorithm || typeof json.kid !== 'string') return undefined
  const header = { algorithm, keyID: json.kid }
  if (json.cred === undefined) return header
  return typeof json.cred === 'string' ? { ...header, credential: bytesOf(json.cred) } : undefined
}

function readClaims(json: UntrustedPayload): RecordClaims | undefined {
  const { iss: issuer, sub: puID, nbf: notBefore, exp: notAfter } = json
  const x = json.cnf?.jwk?.x
  const tags = readTags(json.tags)
  if (typeof issuer !== 'string' || typeof puID !== 'string' || typeof x !== 'string' || !tags)
    return undefined
  if (typeof notBefore !== 'number' || typeof notAfter !== 'number') return undefined
  return { issuer, puID, tags, ephemeralKey: bytesOf(x), notBefore, notAfter }
}

function readTags(json: unknown): Tag[] | undefined {
  if (!Array.isArray(json)) return undefined
  const tags: Tag[] = []
  for (const text of json as unknown[]) {
    if (typeof text !== 'string') return undefined
    const at = text.indexOf('=')
    if (at <= 0) return undefined
    tags.push({ key: text.slice(0, at), value: text.slice(at + 1) })
  }
  return tags
}

/** An object without members where the text is not that of an object. */
function parseJSON(encoded: string): object {
  try {
    const json: unknown = JSON.parse(Buffer.from(encoded, 'base64url').toString())
    return typeof json === 'object' && json !== null ? json : {}
  } catch {
    // A SyntaxError: the peer sent nonsense, and nonsense has no members.
    return {}
  }
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}

function base64urlOf(text: string): string {
  return Buffer.from(text).toString('base64url')
}

function bytesOf(encoded: string): Uint8Array {
  return Uint8Array.from(Buffer.from(encoded, 'base64url'))
}
