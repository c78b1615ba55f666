import { type Certificate, readCertificate } from './certificate.js'
import { NODE_KEY_USAGE } from './node-key-usage.js'
import { MAX_ISSUER_BYTES } from './record-claims.js'
import { isFault, refuseToken } from './secret-fault.js'
import type { TrustStore } from './trust-store.js'
import type { Vouch } from './vouched-key.js'

/** Checks node certificates, X.509 in DER, against the authorities of a store. */
export function certificateVouch(store: TrustStore): Vouch {
  return credential => {
    const certificate = readCertificate(credential)
    if (isFault(certificate)) return certificate
    const problem = nodeFault(certificate)
    if (problem !== undefined) return refuseToken(problem)
    const validities = store.validitiesOf(certificate)
    if (isFault(validities)) return validities
    const { commonNames, publicKey, keyID } = certificate
    return { serverID: commonNames[0]!, publicKey, keyID, validities }
  }
}

function nodeFault({ commonNames, isCA, maySign, extendedKeyUsage }: Certificate): string | undefined {
  if (commonNames.length !== 1)
    return `has ${commonNames.length} common names, expected one: the node's server ID`
  const bytes = Buffer.byteLength(commonNames[0]!)
  if (bytes < 1 || bytes > MAX_ISSUER_BYTES) {
    return `has a common name of ${bytes} bytes, expected 1 to ${MAX_ISSUER_BYTES}`
  }
  if (isCA) return "is a CA's, expected a node's"
  if (!maySign) return 'has a keyUsage without digitalSignature, expected a key that may sign'
  if (!extendedKeyUsage?.includes(NODE_KEY_USAGE)) {
    return `may not sign identities, expected the extended key usage ${NODE_KEY_USAGE}`
  }
  return undefined
}
