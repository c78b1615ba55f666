import { TriremeError } from '../errors.js'
import type { Secrets } from '../plugin.js'

/** Must be asked for by this word. */
export interface NullSecretsOptions {
  readonly allow: true
}

const KEY_ID = '0'.repeat(16)

/**
 * Secrets that prove NOTHING: records are not signed, and anyone can claim any identity. For benchmarks alone. A mode of its
 * own on the wire, so no node with other secrets takes such a record.
 * @throws TriremeError `ERR_SECRET` unless they are allowed explicitly.
 */
export function nullSecrets(options: NullSecretsOptions): Secrets {
  if (options?.allow !== true) {
    throw new TriremeError(
      'ERR_SECRET',
      'null: authenticates nobody, expected { allow: true } from those who want that',
    )
  }
  return {
    mode: 'null',
    signer: () => ({ algorithm: 'none', keyID: KEY_ID }),
    verifier: ({ keyID, credential }) =>
      keyID === KEY_ID && credential === undefined
        ? { algorithm: 'none', notAfter: Number.MAX_SAFE_INTEGER }
        : 'token',
    sessionSecret: () => undefined,
    onChange: () => () => {},
  }
}
