import { createHash, createPublicKey, ECDH, type KeyObject } from 'node:crypto'

const CURVE = 'prime256v1'
/** AlgorithmIdentifier of an EC key on a curve given by its name, prime256v1 (RFC 5480 §2.1.1). */
const ALGORITHM = Buffer.from('301306072a8648ce3d020106082a8648ce3d030107', 'hex')
/** SubjectPublicKeyInfo up to the point: `SEQUENCE, AlgorithmIdentifier, BIT STRING`. */
const SPKI_HEAD = Buffer.concat([Buffer.from('3059', 'hex'), ALGORITHM, Buffer.from('034200', 'hex')])
const COMPRESSED_SPKI_HEAD = Buffer.concat([
  Buffer.from('3039', 'hex'),
  ALGORITHM,
  Buffer.from('032200', 'hex'),
])

/** Bytes of a compressed point of P-256 (SEC 1 §2.3.3). */
export const COMPRESSED_POINT_BYTES = 33

/** Why a public key is none on P-256, the curve given by its name; undefined where it is one. */
export function p256Fault(key: KeyObject): string | undefined {
  const expected = `expected an EC key on P-256 (${CURVE})`
  if (key.asymmetricKeyType !== 'ec') return `is a key of type ${key.asymmetricKeyType}, ${expected}`
  const curve = key.asymmetricKeyDetails?.namedCurve
  if (curve !== CURVE) return `is a key on ${curve ?? 'a curve without name'}, ${expected}`
  const spki = key.export({ type: 'spki', format: 'der' })
  // Parameters that are spelt out may name another base point than the curve's (CVE-2020-0601).
  if (spki.subarray(2, 2 + ALGORITHM.length).equals(ALGORITHM)) return undefined
  return `is a key with explicit curve parameters, ${expected} by its name`
}

/** The ID of a P-256 key: the first 8 bytes of SHA-256 over its SubjectPublicKeyInfo with the whole point, as hex digits. */
export function p256KeyID(key: KeyObject): string {
  const spki = Buffer.concat([SPKI_HEAD, pointOf(key, 'uncompressed')])
  return createHash('sha256').update(spki).digest('hex').slice(0, 16)
}

/** The point of a P-256 key in 33 bytes. */
export function compressP256Key(key: KeyObject): Uint8Array {
  return pointOf(key, 'compressed')
}

/** The SubjectPublicKeyInfo of a P-256 key with its point in 33 bytes (RFC 5480 §2.2): 32 bytes less than is usual. */
export function compressedP256SPKI(key: KeyObject): Uint8Array {
  return Buffer.concat([COMPRESSED_SPKI_HEAD, compressP256Key(key)])
}

/** The key with this compressed point; undefined where there is none. */
export function decompressP256Key(point: Uint8Array): KeyObject | undefined {
  if (point.length !== COMPRESSED_POINT_BYTES || (point[0] !== 2 && point[0] !== 3)) return undefined
  try {
    const spki = Buffer.concat([COMPRESSED_SPKI_HEAD, point])
    return createPublicKey({ key: spki, format: 'der', type: 'spki' })
  } catch {
    // OpenSSL refuses an x that no point of the curve has.
    return undefined
  }
}

function pointOf(key: KeyObject, format: 'compressed' | 'uncompressed'): Buffer {
  const { x, y } = key.export({ format: 'jwk' })
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(x!, 'base64url'), Buffer.from(y!, 'base64url')])
  if (format === 'uncompressed') return point
  return ECDH.convertKey(point, CURVE, undefined, undefined, format) as Buffer
}
