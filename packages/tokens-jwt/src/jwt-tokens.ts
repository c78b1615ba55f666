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
import { decodeJWT, encodePayload, headerFault } from './jwt-codec.js'
import { isSigned, signJWT } from './jwt-signature.js'

/** There are none yet. */
export type JWTTokensOptions = Readonly<Record<string, never>>

export interface JWTTokensComponents {
  readonly secrets: Secrets
}

/** A token engine that always answers with a promise. */
export interface JWTTokenEngine extends TokenEngine {
  /**
   * Tags come back sorted by key and value, and equal ones once.
   * @throws TriremeError `ERR_TOKEN_ENGINE` for claims that a token cannot carry, naming the claim and what was expected;
   * `ERR_SECRET` where the secrets' key does not fit its algorithm.
   */
  issue(claims: RecordClaims): Promise<Uint8Array>
  verify(record: Uint8Array): Promise<VerifiedRecord | DropReason>
  issuerOf(record: Uint8Array): string | undefined
}

/** Makes the token engine `jwt`: identities as JSON Web Tokens (RFC 7519) that any JWT debugger shows. */
export function jwtTokens(_options: JWTTokensOptions = {}): Factory<JWTTokensComponents, JWTTokenEngine> {
  return components => {
    assertMethods('secrets', components?.secrets, ['signer', 'verifier'])
    return new Engine(components.secrets)
  }
}

class Engine implements JWTTokenEngine {
  readonly encoding = 'jwt'
  readonly encodingCode = 2
  readonly #secrets: Secrets

  constructor(secrets: Secrets) {
    this.#secrets = secrets
  }

  async issue(claims: RecordClaims): Promise<Uint8Array> {
    const signer = this.#secrets.signer({ issuer: claims.issuer, encoding: this.encoding })
    const fault = recordClaimsFault(claims) ?? headerFault(signer)
    if (fault) throw new TriremeError('ERR_TOKEN_ENGINE', `JWT record: ${fault}`)
    return signJWT(encodePayload(claims), signer)
  }

  async verify(record: Uint8Array): Promise<VerifiedRecord | DropReason> {
    // Everything is read before the first await: the bytes are the caller's again after it.
    const decoded = decodeJWT(record)
    if (!decoded) return 'token'
    const { claims, header } = decoded
    const use = { issuer: claims.issuer, encoding: this.encoding, keyID: header.keyID }
    const { credential } = header
    const verifier = this.#secrets.verifier(credential ? { ...use, credential } : use)
    if (typeof verifier === 'string') return verifier
    if (!(await isSigned(decoded, verifier))) return 'token'
    return { ...claims, keyID: header.keyID, signerNotAfter: verifier.notAfter }
  }

  issuerOf(record: Uint8Array): string | undefined {
    return decodeJWT(record)?.claims.issuer
  }
}
