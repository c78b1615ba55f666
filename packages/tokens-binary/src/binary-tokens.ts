import {
  assertMethods,
  type DropReason,
  type Factory,
  type RecordClaims,
  recordClaimsFault,
  type Secrets,
  type TokenEngine,
  TriremeError,
  type VerifiedRecord,
} from '@trireme/core'
import { decodeRecord, encodeRecord, encodingFault } from './record-codec.js'
import { isSigned, signRecord } from './record-signature.js'

/** There are none yet. */
export type BinaryTokensOptions = Readonly<Record<string, never>>

export interface BinaryTokensComponents {
  readonly secrets: Secrets
}

/**
 * Makes the token engine `binary`: identities in as few bytes as they need, in one canonical form. Both methods answer
 * at once.
 */
export function binaryTokens(
  _options: BinaryTokensOptions = {},
): Factory<BinaryTokensComponents, BinaryTokenEngine> {
  return components => {
    assertMethods('secrets', components?.secrets, ['signer', 'verifier'])
    return new Engine(components.secrets)
  }
}

/** A token engine that never answers with a promise. */
export interface BinaryTokenEngine extends TokenEngine {
  /**
   * Tags come back sorted by key and value, and equal ones once. A record that would exceed `MAX_RECORD_BYTES` carries them
   * shortened, and they come back as `shortTags`.
   * @throws TriremeError `ERR_TOKEN_ENGINE` for claims that the form cannot carry, naming the claim and the limit;
   * `ERR_SECRET` where the secrets' key does not fit its algorithm.
   */
  issue(claims: RecordClaims): Uint8Array
  verify(record: Uint8Array): VerifiedRecord | DropReason
  issuerOf(record: Uint8Array): string | undefined
}

class Engine implements BinaryTokenEngine {
  readonly encoding = 'binary'
  readonly encodingCode = 1
  readonly shortensTags = true
  readonly #secrets: Secrets

  constructor(secrets: Secrets) {
    this.#secrets = secrets
  }

  issue(claims: RecordClaims): Uint8Array {
    const signer = this.#secrets.signer({ issuer: claims.issuer, encoding: this.encoding })
    const fault = recordClaimsFault(claims) ?? encodingFault(claims, signer)
    if (fault) throw new TriremeError('ERR_TOKEN_ENGINE', `binary record: ${fault}`)
    return signRecord(encodeRecord(claims, signer), signer)
  }

  verify(record: Uint8Array): VerifiedRecord | DropReason {
    const decoded = decodeRecord(record)
    if (!decoded || recordClaimsFault(decoded.claims)) return 'token'
    const { claims, shortTags, keyID, credential } = decoded
    const use = { issuer: claims.issuer, encoding: this.encoding, keyID }
    const verifier = this.#secrets.verifier(credential ? { ...use, credential } : use)
    if (typeof verifier === 'string') return verifier
    if (!isSigned(decoded, verifier)) return 'token'
    const verified = { ...claims, keyID, signerNotAfter: verifier.notAfter }
    return shortTags ? { ...verified, shortTags } : verified
  }

  issuerOf(record: Uint8Array): string | undefined {
    return decodeRecord(record)?.claims.issuer
  }
}
