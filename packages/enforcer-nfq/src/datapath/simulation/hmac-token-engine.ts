import { createHmac, timingSafeEqual } from 'node:crypto'
import type { DropReason, RecordClaims, Secrets, TokenEngine, VerifiedRecord } from '@trireme/core'

const encoding = 'test-hmac'
const MAC_BYTES = 32

/** An engine for tests: a record is its claims as JSON behind an HMAC under the secrets' record key. */
export function hmacTokenEngine(secrets: Secrets): TokenEngine {
  return {
    encoding,
    encodingCode: 14,
    issue: claims => issue(secrets, claims),
    verify: record => verify(secrets, record),
  }
}

/** The same engine, answering with promises. */
export function asyncTokenEngine(engine: TokenEngine): TokenEngine {
  return {
    ...engine,
    issue: async claims => engine.issue(claims),
    verify: async record => engine.verify(record),
  }
}

function issue(secrets: Secrets, claims: RecordClaims): Uint8Array {
  const { keyID, key } = secrets.signer({ issuer: claims.issuer, encoding })
  const ephemeralKey = Buffer.from(claims.ephemeralKey).toString('hex')
  const body = Buffer.from(JSON.stringify({ ...claims, ephemeralKey, keyID }))
  return Buffer.concat([createHmac('sha256', key!).update(body).digest(), body])
}

function verify(secrets: Secrets, record: Uint8Array): VerifiedRecord | DropReason {
  const body = Buffer.from(record.subarray(MAC_BYTES))
  const claims = read(body)
  if (!claims) return 'token'
  const verifier = secrets.verifier({ issuer: String(claims.issuer), encoding, keyID: String(claims.keyID) })
  if (typeof verifier === 'string') return verifier
  const mac = createHmac('sha256', verifier.key!).update(body).digest()
  if (!timingSafeEqual(mac, record.subarray(0, MAC_BYTES))) return 'token'
  return {
    ...claims,
    ephemeralKey: Buffer.from(claims.ephemeralKey, 'hex'),
    signerNotAfter: verifier.notAfter,
  }
}

type Body = Omit<VerifiedRecord, 'ephemeralKey' | 'signerNotAfter'> & { readonly ephemeralKey: string }

function read(body: Buffer): Body | undefined {
  try {
    const claims: unknown = JSON.parse(body.toString())
    return typeof claims === 'object' && claims !== null ? (claims as Body) : undefined
  } catch {
    return undefined
  }
}
