/**
 * Identities as signed JSON Web Tokens.
 *
 * ```ts
 * import { pskSecrets } from '@trireme/core'
 * import { jwtTokens } from '@trireme/tokens-jwt'
 *
 * const secrets = pskSecrets({ key: Buffer.from('at least sixteen bytes, the same on every host') })
 * const tokens = jwtTokens()({ secrets })
 *
 * const now = Math.floor(Date.now() / 1000)
 * const record = await tokens.issue({
 *   issuer: 'host-a',
 *   puID: 'web-1',
 *   tags: [{ key: 'app', value: 'web' }],
 *   ephemeralKey: crypto.getRandomValues(new Uint8Array(32)),
 *   notBefore: now,
 *   notAfter: now + 180,
 * })
 * console.log(Buffer.from(record).toString(), await tokens.verify(record))
 * ```
 */

export {
  type JWTTokenEngine,
  type JWTTokensComponents,
  type JWTTokensOptions,
  jwtTokens,
} from './jwt-tokens.js'
