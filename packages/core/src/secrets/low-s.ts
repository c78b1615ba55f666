/** The order of the group of P-256 (SEC 2 §2.4.2). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const HALF_ORDER = Buffer.from('7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8', 'hex')
const S_OFFSET = 32

/** Bytes of an ECDSA P-256 signature as r ‖ s (IEEE P1363). */
export const ES256_SIGNATURE_BYTES = 64

/**
 * Whether `s` lies in the lower half of the group's order. (r, s) and (r, n - s) both verify; only the first is let
 * through, so that nobody can turn a signature that he has seen into another one.
 */
export function isLowS(signature: Uint8Array): boolean {
  if (signature.length !== ES256_SIGNATURE_BYTES) return false
  return Buffer.compare(signature.subarray(S_OFFSET), HALF_ORDER) <= 0
}

/**
 * The equivalent signature whose `s` is low; a copy.
 * @throws RangeError where the signature does not have 64 bytes.
 */
export function toLowS(signature: Uint8Array): Uint8Array {
  if (signature.length !== ES256_SIGNATURE_BYTES) {
    throw new RangeError(
      `toLowS: signature has ${signature.length} bytes, expected ${ES256_SIGNATURE_BYTES} (r ‖ s of P-256)`,
    )
  }
  const low = Uint8Array.from(signature)
  if (isLowS(low)) return low
  const s = BigInt(`0x${Buffer.from(low.subarray(S_OFFSET)).toString('hex')}`)
  low.set(Buffer.from((ORDER - s).toString(16).padStart(64, '0'), 'hex'), S_OFFSET)
  return low
}
