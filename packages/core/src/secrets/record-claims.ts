import type { RecordClaims } from '../plugin.js'
import type { Tag, Tags } from '../tags.js'

/** The longest server ID that a record may name, in bytes of UTF-8. */
export const MAX_ISSUER_BYTES = 255

/** The length of an X25519 public key (RFC 7748 §5). */
export const EPHEMERAL_KEY_BYTES = 32

/**
 * What no encoding may carry in these claims, as a phrase that names the claim, its value and what was expected;
 * undefined where nothing is wrong. Engines refuse with it what they are to sign, and what a peer has signed.
 * Whether the times hold now, how long a record may live and which tags are reserved is not asked here.
 */
export function recordClaimsFault(claims: RecordClaims): string | undefined {
  const issuerBytes = Buffer.byteLength(claims.issuer)
  if (issuerBytes > MAX_ISSUER_BYTES) {
    return `issuer has ${issuerBytes} bytes, expected at most ${MAX_ISSUER_BYTES}`
  }
  if (claims.ephemeralKey.length !== EPHEMERAL_KEY_BYTES) {
    return `ephemeralKey has ${claims.ephemeralKey.length} bytes, expected ${EPHEMERAL_KEY_BYTES}`
  }
  return (
    nameFault('issuer', claims.issuer) ??
    nameFault('puID', claims.puID) ??
    timeFault('notBefore', claims.notBefore) ??
    timeFault('notAfter', claims.notAfter) ??
    tagsFault(claims.tags)
  )
}

/**
 * The tags in the one order in which a record carries them: by key, then by value, both compared as bytes of UTF-8; of
 * equal tags only one.
 */
export function canonicalTags(tags: Tags): Tags {
  const sortable = tags.map(tag => ({ tag, key: Buffer.from(tag.key), value: Buffer.from(tag.value) }))
  sortable.sort((a, b) => Buffer.compare(a.key, b.key) || Buffer.compare(a.value, b.value))
  const sorted = sortable.map(({ tag }) => tag)
  return sorted.filter((tag, i) => tag.key !== sorted[i - 1]?.key || tag.value !== sorted[i - 1]?.value)
}

function nameFault(name: string, value: string): string | undefined {
  if (value === '') return `${name} is empty, expected a name`
  return isUnicode(value) ? undefined : `${name} has a lone surrogate, expected well-formed Unicode`
}

function timeFault(name: string, value: number): string | undefined {
  if (Number.isSafeInteger(value) && value >= 0) return undefined
  return `${name} is ${value}, expected whole seconds since 1970`
}

function tagsFault(tags: Tags): string | undefined {
  const bad = tags.find(tag => !isEncodable(tag))
  if (!bad) return undefined
  const name = JSON.stringify(bad.key.slice(0, 64))
  return `tag ${name}: expected a key that is not empty and has no "=", key and value in well-formed Unicode`
}

function isEncodable({ key, value }: Tag): boolean {
  return key !== '' && !key.includes('=') && isUnicode(key) && isUnicode(value)
}

/** Lone surrogates have no form in UTF-8: they would come back as another text. */
function isUnicode(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}
