import {
  type CompactPKIMaterial,
  compactPKISecrets,
  type PublicKeyAdder,
  pkiSecrets,
  prepopulatedPKISecrets,
  pskSecrets,
  type Secrets,
} from '@trireme/core'
import type { AuthOptions, PKIOptions } from './preset-options.js'

export interface ChosenSecrets {
  readonly secrets: readonly Secrets[]
  /** Where certificates are handed out, one of `secrets`; only PKI has it. */
  readonly publicKeyAdder?: Secrets & PublicKeyAdder
}

/**
 * The secrets that the options describe.
 * @throws TriremeError `ERR_SECRET` for a key or certificate that is not good.
 */
export function secretsOf(auth: AuthOptions): ChosenSecrets {
  if ('secrets' in auth) return { secrets: auth.secrets }
  if ('key' in auth) return { secrets: [pskSecrets({ key: auth.key })] }
  if ('statementPEM' in auth) {
    return { secrets: [compactPKISecrets(compactPKIAuth(auth))] }
  }
  if ('certPEM' in auth) return pkiSecretsOf(auth)
  throw new TypeError('auth: expected secrets, key, statementPEM or certPEM')
}

function pkiSecretsOf({
  keyPEM,
  certPEM,
  caCertPEM,
  certificates = 'on-the-wire',
}: PKIOptions): ChosenSecrets {
  const material = { keyPEM, certPEM, caCertPEM }
  const handedOut = prepopulatedPKISecrets(material)
  const secrets = certificates === 'handed-out' ? [handedOut] : [pkiSecrets(material), handedOut]
  return { secrets, publicKeyAdder: handedOut }
}

/** Of more options, those that make PKI. */
export function pkiAuth({ keyPEM, certPEM, caCertPEM, certificates }: PKIOptions): PKIOptions {
  return { keyPEM, certPEM, caCertPEM, ...(certificates && { certificates }) }
}

/** Of more options, those that make compact PKI. */
export function compactPKIAuth({ keyPEM, statementPEM, caCertPEM }: CompactPKIMaterial): CompactPKIMaterial {
  return { keyPEM, statementPEM, caCertPEM }
}
