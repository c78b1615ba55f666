import { createHmac } from 'node:crypto'

const HASH_BYTES = 32
const NO_BYTES = new Uint8Array(0)

/** HKDF-Extract with SHA-256 (RFC 5869 §2.2): 32 uniform bytes out of key material that need not be uniform. */
export function hkdfExtract(salt: Uint8Array, ikm: Uint8Array): Uint8Array {
  return createHmac('sha256', salt).update(ikm).digest()
}

/**
 * HKDF-Expand with SHA-256 (RFC 5869 §2.3): `length` bytes that belong to `info` and to no other.
 * @throws RangeError where `length` is not an integer from 1 to 8,160.
 */
export function hkdfExpand(prk: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  if (!Number.isInteger(length) || length < 1 || length > 255 * HASH_BYTES) {
    throw new RangeError(`hkdfExpand: length is ${length}, expected an integer from 1 to ${255 * HASH_BYTES}`)
  }
  const output = new Uint8Array(length)
  let block: Uint8Array = NO_BYTES
  for (let offset = 0, counter = 1; offset < length; offset += HASH_BYTES, counter++) {
    block = createHmac('sha256', prk).update(block).update(info).update(Uint8Array.of(counter)).digest()
    output.set(block.subarray(0, length - offset), offset)
  }
  return output
}
