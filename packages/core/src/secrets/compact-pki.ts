import { CheckedCredentials } from './checked-credentials.js'
import { CredentialSecrets, type LoadedSecrets, type VouchedSecrets } from './credential-secrets.js'
import { loadNodeKey, readOneBlock } from './node-key.js'
import { STATEMENT_LABEL, statementVouch } from './statement.js'
import { TrustStore } from './trust-store.js'

/** Keys, statement and certificates in PEM, all of them ECDSA on P-256. */
export interface CompactPKIMaterial {
  /** The node's private key, not encrypted. */
  readonly keyPEM: string
  /** What an authority states of the node: a `TRIREME STATEMENT`, as `signStatement` makes it. */
  readonly statementPEM: string
  /** The authorities that are trusted: one or several self-signed CA certificates, and those that they vouch for. */
  readonly caCertPEM: string
}

export interface CompactPKISecretsOptions extends CompactPKIMaterial {
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number
}

/** Rotates as `PKISecrets` do. */
export interface CompactPKISecrets extends VouchedSecrets<CompactPKIMaterial> {}

/**
 * Secrets of nodes that trust the same authorities, whose records carry a statement of 111 bytes and the server ID instead of
 * an X.509 certificate.
 * @throws TriremeError `ERR_SECRET`, which names the option and what was expected, for a key or statement that is not good now.
 */
export function compactPKISecrets({
  now = Date.now,
  ...material
}: CompactPKISecretsOptions): CompactPKISecrets {
  const load = (each: CompactPKIMaterial) => loadCompactPKI(each, now)
  return new CredentialSecrets<CompactPKIMaterial>({ mode: 'compact-pki', material, load })
}

function loadCompactPKI(material: CompactPKIMaterial, now: () => number): LoadedSecrets {
  const store = new TrustStore(material.caCertPEM, 'compact-pki: caCertPEM')
  const checked = new CheckedCredentials(statementVouch(store), now)
  const names = { key: 'compact-pki: keyPEM', credential: 'compact-pki: statementPEM' }
  const credential = readOneBlock(material.statementPEM, STATEMENT_LABEL, names.credential)
  return { checked, nodeKey: loadNodeKey({ keyPEM: material.keyPEM, credential, checked, names }) }
}
