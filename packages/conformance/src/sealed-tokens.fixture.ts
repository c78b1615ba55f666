import { createHmac, type KeyObject, sign, timingSafeEqual, verify } from 'node:crypto'
import {
  canonicalTags,
  type DropReason,
  isLowS,
  type RecordClaims,
  type RecordSigner,
  type RecordVerifier,
  recordClaimsFault,
  type Secrets,
  type Tags,
  type TokenEngine,
  toLowS,
  type VerifiedRecord,
} from '@trireme/core'

type Algorithm = RecordSigner['algorithm']

/** A record taken apart. */
export interface Opened {
  readonly claims: RecordClaims
  readonly algorithm: Algorithm
  readonly keyID: string
  readonly credential: string
  readonly body: Uint8Array
  readonly signature: Uint8Array
}

/** The steps of a sound engine over JSON, a line of it with the signature behind. Each can be replaced by a defective one. */
export interface SealedSteps {
  readonly encoding: string
  readonly encodingCode: number
  readonly check: (claims: RecordClaims) => string | undefined
  readonly writeTags: (tags: Tags) => unknown
  readonly readTags: (tags: unknown) => Tags
  readonly encode: (claims: RecordClaims, signer: RecordSigner) => Uint8Array
  readonly sign: (body: Uint8Array, signer: RecordSigner) => Uint8Array
  readonly open: (record: Uint8Array, steps: SealedSteps) => Opened | undefined
  readonly askVerifier: (secrets: Secrets, opened: Opened, encoding: string) => RecordVerifier | DropReason
  readonly isSigned: (opened: Opened, verifier: RecordVerifier) => boolean
  readonly report: (opened: Opened, verifier: RecordVerifier, record: Uint8Array) => VerifiedRecord
}

/** A sound engine but for the steps that are given. */
export function sealedTokens(replaced: Partial<SealedSteps> = {}) {
  const steps: SealedSteps = { ...SOUND, ...replaced }
  return ({ secrets }: { readonly secrets: Secrets }): TokenEngine => ({
    encoding: steps.encoding,
    encodingCode: steps.encodingCode,
    issue(claims) {
      const fault = steps.check(claims)
      if (fault) throw new TypeError(fault)
      const signer = secrets.signer({ issuer: claims.issuer, encoding: steps.encoding })
      const tags = steps.writeTags(claims.tags) as Tags
      const body = steps.encode({ ...claims, tags }, signer)
      return Buffer.concat([body, steps.sign(body, signer)])
    },
    verify(record) {
      const opened = steps.open(record, steps)
      if (!opened || steps.check(opened.claims)) return 'token'
      const verifier = steps.askVerifier(secrets, opened, steps.encoding)
      if (typeof verifier === 'string') return verifier
      return steps.isSigned(opened, verifier) ? steps.report(opened, verifier, record) : 'token'
    },
  })
}

const SIGNATURE_BYTES: Readonly<Record<string, number>> = { none: 0, HS256: 32, ES256: 64 }

/** What is right, for defective steps to begin with. */
export const SOUND: SealedSteps = {
  encoding: 'sealed',
  encodingCode: 15,
  check: recordClaimsFault,
  writeTags: canonicalTags,
  readTags: tags => tags as Tags,
  encode: encodeBody,
  sign: signBody,
  open,
  askVerifier(secrets, { claims, keyID, credential }, encoding) {
    const use = { issuer: claims.issuer, encoding, keyID }
    return secrets.verifier(credential ? { ...use, credential: Buffer.from(credential, 'hex') } : use)
  },
  isSigned: ({ body, signature, algorithm }, verifier) =>
    algorithm === verifier.algorithm && isSignature(body, signature, verifier),
  report: ({ claims, keyID }, { notAfter }) => ({ ...claims, keyID, signerNotAfter: notAfter }),
}

/** Whether these bytes are a signature by the verifier's algorithm. */
export function isSignature(
  body: Uint8Array,
  signature: Uint8Array,
  { algorithm, key }: RecordVerifier,
): boolean {
  if (algorithm === 'none') return signature.length === 0
  if (!key || !fits(key, algorithm)) return false
  if (algorithm === 'HS256') {
    const expected = createHmac('sha256', key).update(body).digest()
    return signature.length === expected.length && timingSafeEqual(signature, expected)
  }
  return isLowS(signature) && verify('sha256', body, { key, dsaEncoding: 'ieee-p1363' }, signature)
}

function fits(key: KeyObject, algorithm: Algorithm): boolean {
  if (algorithm === 'HS256') return key.type === 'secret'
  return key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
}

function encodeBody(claims: RecordClaims, { algorithm, keyID, credential }: RecordSigner): Uint8Array {
  const { issuer, puID, tags, ephemeralKey, notBefore, notAfter } = claims
  const texts = {
    issuer,
    puID,
    tags: Array.isArray(tags) ? tags.map(tagOf) : tags,
    notBefore,
    notAfter,
    algorithm,
  }
  const bytes = { ephemeralKey: hex(ephemeralKey), keyID, credential: hex(credential ?? Uint8Array.of()) }
  return Buffer.from(`${JSON.stringify({ ...texts, ...bytes })}\n`)
}

function tagOf({ key, value }: { key: string; value: string }) {
  return { key, value }
}

function signBody(body: Uint8Array, { algorithm, key }: RecordSigner): Uint8Array {
  if (algorithm === 'none' || !key) return Uint8Array.of()
  if (algorithm === 'HS256') return createHmac('sha256', key).update(body).digest()
  return toLowS(sign('sha256', body, { key, dsaEncoding: 'ieee-p1363' }))
}

function open(record: Uint8Array, steps: SealedSteps): Opened | undefined {
  const bytes = Buffer.from(record)
  const end = bytes.indexOf('\n') + 1
  try {
    const fields = JSON.parse(bytes.toString('utf8', 0, end))
    const { issuer, puID, notBefore, notAfter, algorithm, keyID, credential } = fields
    const ephemeralKey = Uint8Array.from(Buffer.from(fields.ephemeralKey, 'hex'))
    const claims = { issuer, puID, tags: steps.readTags(fields.tags), ephemeralKey, notBefore, notAfter }
    const again = { algorithm, keyID, credential: Buffer.from(credential, 'hex') }
    const written = steps.encode({ ...claims, tags: steps.writeTags(claims.tags) as Tags }, again)
    if (!bytes.subarray(0, end).equals(written)) return undefined
    const signature = bytes.subarray(end)
    if (signature.length !== SIGNATURE_BYTES[algorithm]) return undefined
    return { claims, algorithm, keyID, credential, body: bytes.subarray(0, end), signature }
  } catch {
    return undefined
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
