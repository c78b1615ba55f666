import { createHmac, sign, timingSafeEqual, verify } from 'node:crypto'
import {
  canonicalTags,
  isLowS,
  type RecordClaims,
  type RecordSigner,
  type RecordVerifier,
  recordClaimsFault,
  type Secrets,
  type TokenEngine,
  TriremeError,
  toLowS,
} from '@trireme/core'
import { cdeDecodeOptions, decode, encode } from 'cbor2'

const PREFIX = 'trireme/1 record cbor'

/**
 * Identities as CBOR (RFC 8949), one array:
 *
 *     [issuer, PU ID, [key, value, …], ephemeral key, not before, not after, key ID, credential, signature]
 *
 * Signed is `[PREFIX, issuer, …, credential]`: HMAC-SHA256, or ECDSA P-256 as r ‖ s with a low s.
 */
export function cborTokens() {
  return ({ secrets }: { readonly secrets: Secrets }): TokenEngine => ({
    encoding: 'cbor',
    encodingCode: 8,

    issue(claims) {
      const signer = secrets.signer({ issuer: claims.issuer, encoding: 'cbor' })
      const fault = recordClaimsFault(claims)
      if (fault) throw new TriremeError('ERR_TOKEN_ENGINE', `CBOR record: ${fault}`)
      const fields = fieldsOf(claims, signer.keyID, signer.credential)
      return encodeArray([...fields, signatureOf(encodeArray([PREFIX, ...fields]), signer)])
    },

    verify(record) {
      const item = decodeArray(record)
      const [issuer, puID, texts, ephemeralKey, notBefore, notAfter, keyID, credential, signature] = item
      if (!isText(issuer) || !isText(puID) || !isText(keyID)) return 'token'
      if (!Array.isArray(texts) || !texts.every(isText)) return 'token'
      if (typeof notBefore !== 'number' || typeof notAfter !== 'number') return 'token'
      if (!isBytes(ephemeralKey) || !isBytes(credential) || !isBytes(signature)) return 'token'
      const tags = texts.flatMap((key, i) => (i % 2 === 0 ? { key, value: texts[i + 1] ?? '' } : []))
      const claims: RecordClaims = { issuer, puID, tags, ephemeralKey, notBefore, notAfter }
      const fields = fieldsOf(claims, keyID, credential)
      // What was understood, said again, is what was read: so an identity has one form, and nothing was overlooked.
      if (Buffer.compare(encodeArray([...fields, signature]), record) !== 0) return 'token'
      if (recordClaimsFault(claims)) return 'token'
      const use = { issuer, encoding: 'cbor', keyID }
      const verifier = secrets.verifier(credential.length > 0 ? { ...use, credential } : use)
      if (typeof verifier === 'string') return verifier
      if (!isSigned(encodeArray([PREFIX, ...fields]), signature, verifier)) return 'token'
      return { ...claims, keyID, signerNotAfter: verifier.notAfter }
    },
  })
}

/** `encode` takes plain Uint8Arrays for byte strings, not Buffers. */
function encodeArray(items: readonly unknown[]): Uint8Array {
  return encode(items.map(item => (isBytes(item) ? Uint8Array.from(item) : item)))
}

function fieldsOf(claims: RecordClaims, keyID: string, credential: Uint8Array = Uint8Array.of()): unknown[] {
  const { issuer, puID, ephemeralKey, notBefore, notAfter } = claims
  const texts = canonicalTags(claims.tags).flatMap(tag => [tag.key, tag.value])
  return [issuer, puID, texts, ephemeralKey, notBefore, notAfter, keyID, credential]
}

/** No items where the bytes are no array. The copy keeps the byte strings in it apart from the caller's bytes. */
function decodeArray(record: Uint8Array): readonly unknown[] {
  try {
    const item: unknown = decode(Uint8Array.from(record), cdeDecodeOptions)
    return Array.isArray(item) ? item : []
  } catch {
    return [] // The peer sent nonsense, and nonsense has no items.
  }
}

const isBytes = (item: unknown): item is Uint8Array => item instanceof Uint8Array
const isText = (item: unknown): item is string => typeof item === 'string'

function signatureOf(bytes: Uint8Array, { algorithm, key }: RecordSigner): Uint8Array {
  if (key && algorithm === 'HS256') return createHmac('sha256', key).update(bytes).digest()
  if (key && algorithm === 'ES256') return toLowS(sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }))
  throw new TriremeError('ERR_SECRET', `CBOR record: expected a key for HS256 or ES256, got ${algorithm}`)
}

/** By the key's algorithm; a record does not name one. */
function isSigned(bytes: Uint8Array, signature: Uint8Array, { algorithm, key }: RecordVerifier): boolean {
  if (algorithm === 'HS256' && key?.type === 'secret') {
    const expected = createHmac('sha256', key).update(bytes).digest()
    return signature.length === expected.length && timingSafeEqual(signature, expected)
  }
  if (algorithm !== 'ES256' || key?.asymmetricKeyDetails?.namedCurve !== 'prime256v1') return false
  return isLowS(signature) && verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, signature)
}
