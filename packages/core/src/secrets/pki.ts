import { CheckedCredentials } from './checked-credentials.js'
import { CredentialSecrets, type LoadedSecrets, type VouchedSecrets } from './credential-secrets.js'
import { certificateVouch } from './node-certificate.js'
import { loadNodeKey, readOneBlock } from './node-key.js'
import { TrustStore } from './trust-store.js'

/** Keys and certificates in PEM, all of them ECDSA on P-256. */
export interface PKIMaterial {
  /** The node's private key, not encrypted. */
  readonly keyPEM: string
  /**
   * The node's certificate, alone. Its one common name is the server ID; it is no CA's, and has the extended key usage
   * `NODE_KEY_USAGE`.
   */
  readonly certPEM: string
  /** The authorities that are trusted: one or several self-signed CA certificates, and those between them and the nodes'. */
  readonly caCertPEM: string
}

export interface PKISecretsOptions extends PKIMaterial {
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number
}

/**
 * Rotation without a failed connection. CA, on every node before the next step: `{ caCertPEM: old + new }`, then
 * `{ keyPEM, certPEM }` of the new CA, then `{ caCertPEM: new }`. A node's key: `{ keyPEM, certPEM }`.
 */
export interface PKISecrets extends VouchedSecrets<PKIMaterial> {}

/**
 * Secrets of nodes that trust the same authorities. The node's certificate travels in its records, so it should be lean: with
 * all else it has 1,180 bytes.
 * @throws TriremeError `ERR_SECRET`, which names the option and what was expected, for a key or certificate that is not good now.
 */
export function pkiSecrets({ now = Date.now, ...material }: PKISecretsOptions): PKISecrets {
  const load = (each: PKIMaterial) => loadPKI('pki', each, now)
  return new CredentialSecrets<PKIMaterial>({ mode: 'pki', material, load })
}

/** @throws TriremeError `ERR_SECRET`. */
export function loadPKI(
  mode: 'pki' | 'pki-prepopulated',
  material: PKIMaterial,
  now: () => number,
): LoadedSecrets {
  const store = new TrustStore(material.caCertPEM, `${mode}: caCertPEM`)
  const checked = new CheckedCredentials(certificateVouch(store), now)
  const names = { key: `${mode}: keyPEM`, credential: `${mode}: certPEM` }
  const credential = readOneBlock(material.certPEM, 'CERTIFICATE', names.credential)
  return { checked, nodeKey: loadNodeKey({ keyPEM: material.keyPEM, credential, checked, names }) }
}
