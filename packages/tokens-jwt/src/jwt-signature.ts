import type { KeyObject } from 'node:crypto'
import { isLowS, type RecordSigner, type RecordVerifier, TriremeError, toLowS } from '@trireme/core'
import { CompactSign, compactVerify, errors } from 'jose'
import { type DecodedJWT, headerMembers } from './jwt-codec.js'

/** The token over this payload. */
export async function signJWT(payload: string, signer: RecordSigner): Promise<Uint8Array> {
  const { algorithm, key } = signer
  const header = headerMembers(signer)
  if (algorithm === 'none') return Buffer.from(`${encode(JSON.stringify(header))}.${encode(payload)}.`)
  if (!key || !fits(key, algorithm, 'private')) {
    const expected = algorithm === 'HS256' ? 'a secret key' : 'a private key on P-256'
    throw new TriremeError('ERR_SECRET', `JWT record: the signer's key for ${algorithm} must be ${expected}`)
  }
  const token = await new CompactSign(Buffer.from(payload)).setProtectedHeader(header).sign(key)
  return Buffer.from(algorithm === 'ES256' ? withLowS(token) : token)
}

/** Whether the signature is the verifier's, by the verifier's algorithm and no other. */
export async function isSigned(jwt: DecodedJWT, verifier: RecordVerifier): Promise<boolean> {
  const { algorithm, key } = verifier
  // The key decides the algorithm (RFC 8725 §3.1); what the token names can only disagree.
  if (jwt.header.algorithm !== algorithm) return false
  if (algorithm === 'none') return jwt.signature.length === 0
  if (!key || !fits(key, algorithm, 'public')) return false
  if (algorithm === 'ES256' && !isLowS(jwt.signature)) return false
  try {
    // Not jwtVerify: lifetimes and clocks are core's to judge, for every encoding alike.
    await compactVerify(jwt.token, key, { algorithms: [algorithm] })
    return true
  } catch (error) {
    if (error instanceof errors.JOSEError) return false
    throw error
  }
}

function fits(key: KeyObject, algorithm: 'HS256' | 'ES256', half: 'private' | 'public'): boolean {
  if (algorithm === 'HS256') return key.type === 'secret'
  return key.type === half && key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
}

function withLowS(token: string): string {
  const at = token.lastIndexOf('.') + 1
  return (
    token.slice(0, at) + Buffer.from(toLowS(Buffer.from(token.slice(at), 'base64url'))).toString('base64url')
  )
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url')
}
