/**
 * Identities in a compact binary form.
 *
 * ```ts
 * import { pskSecrets } from '@trireme/core'
 * import { binaryTokens } from '@trireme/tokens-binary'
 *
 * const secrets = pskSecrets({ key: Buffer.from('at least sixteen bytes, the same on every host') })
 * const tokens = binaryTokens()({ secrets })
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
 * console.log(record.length, await tokens.verify(record))
 * ```
 */

export {
  type BinaryTokenEngine,
  type BinaryTokensComponents,
  type BinaryTokensOptions,
  binaryTokens,
} from './binary-tokens.js'
