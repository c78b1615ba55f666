import { createHmac, type KeyObject, sign, timingSafeEqual, verify } from 'node:crypto'
import { isLowS, type RecordSigner, type RecordVerifier, TriremeError, toLowS } from '@trireme/core'
import type { DecodedRecord } from './record-codec.js'

/** Nothing that is signed for another use begins like this. */
const PREFIX = Buffer.from('trireme/1 record binary\0')

/** The record: its body with the signature behind it. */
export function signRecord(body: Uint8Array, signer: RecordSigner): Uint8Array {
  return Buffer.concat([body, signatureOf(body, signer)])
}

/** Whether the signature is the verifier's, by the verifier's algorithm and no other. HMACs are compared in constant time. */
export function isSigned(record: DecodedRecord, verifier: RecordVerifier): boolean {
  const { algorithm, key } = verifier
  const { signed, signature } = record
  // The key decides the algorithm; what the record names can only disagree.
  if (record.algorithm !== algorithm) return false
  if (algorithm === 'none') return signature.length === 0
  if (!key || !fits(key, algorithm)) return false
  if (algorithm === 'HS256') {
    const expected = hmac(key, signed)
    return signature.length === expected.length && timingSafeEqual(signature, expected)
  }
  return (
    isLowS(signature) && verify('sha256', prefixed(signed), { key, dsaEncoding: 'ieee-p1363' }, signature)
  )
}

function signatureOf(body: Uint8Array, { algorithm, key }: RecordSigner): Uint8Array {
  if (algorithm === 'none') return new Uint8Array(0)
  if (!key || !fits(key, algorithm) || key.type === 'public') {
    const expected = algorithm === 'HS256' ? 'a secret key' : 'a private key on P-256'
    throw new TriremeError(
      'ERR_SECRET',
      `binary record: the signer's key for ${algorithm} must be ${expected}`,
    )
  }
  if (algorithm === 'HS256') return hmac(key, body)
  return toLowS(sign('sha256', prefixed(body), { key, dsaEncoding: 'ieee-p1363' }))
}

function fits(key: KeyObject, algorithm: 'HS256' | 'ES256'): boolean {
  if (algorithm === 'HS256') return key.type === 'secret'
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
}

function hmac(key: KeyObject, body: Uint8Array): Buffer {
  return createHmac('sha256', key).update(PREFIX).update(body).digest()
}

function prefixed(body: Uint8Array): Buffer {
  return Buffer.concat([PREFIX, body])
}
