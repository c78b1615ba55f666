import { type Certificate, certificateName, readCertificate } from './certificate.js'
import { NODE_KEY_USAGE } from './node-key-usage.js'
import { pemBlocks } from './pem.js'
import { isFault, refuseToken, type SecretFault, secretError } from './secret-fault.js'
import { intersection, type Validity } from './validity.js'

/** A CA whose chain ends in a self-signed certificate of the same store. */
export interface Authority {
  readonly certificate: Certificate
  /** When what it signs can be good: one for each chain above it, the narrowest of every certificate there. */
  readonly validities: readonly Validity[]
}

/**
 * The certificate authorities that a node trusts: the self-signed ones of a PEM bundle, and those that they vouch for through
 * others of the bundle. No authority is taken from the wire. One that has expired vouches for nothing, and fails nothing else.
 */
export class TrustStore {
  readonly #authorities: readonly Authority[]

  /** @throws TriremeError `ERR_SECRET`, which begins with `where`, for a certificate that is no CA's or leads nowhere. */
  constructor(caCertPEM: string, where: string) {
    const certificates = readBundle(caCertPEM, where)
    const chains = chainsIn(certificates)
    this.#authorities = certificates.map(certificate => {
      const validities = chains.get(certificate) ?? []
      if (validities.length > 0) return { certificate, validities }
      throw secretError(where, `${certificateName(certificate)} ${noChain(certificate)}`)
    })
  }

  /** When a certificate is vouched for, by each of its chains: not empty. Looks at signatures, not at the clock. */
  validitiesOf({ x509, validity }: Certificate): readonly Validity[] | SecretFault {
    const named = this.#authorities.filter(({ certificate }) => x509.checkIssued(certificate.x509))
    if (named.length === 0)
      return refuseToken(`is issued by ${issuerOf(x509)}, which is none of the CA certificates`)
    const signers = named.filter(({ certificate }) => isSignedBy(x509, certificate))
    if (signers.length === 0) return refuseToken(`is not signed by ${issuerOf(x509)}, the CA that it names`)
    return signers.flatMap(({ validities }) => validities.map(each => intersection(each, validity)))
  }

  /** The authorities whose key has this ID. */
  withKeyID(keyID: string): readonly Authority[] {
    return this.#authorities.filter(({ certificate }) => certificate.keyID === keyID)
  }
}

function readBundle(caCertPEM: string, where: string): readonly Certificate[] {
  if (typeof caCertPEM !== 'string')
    throw secretError(where, `is of type ${typeof caCertPEM}, expected PEM text`)
  const blocks = pemBlocks(caCertPEM)
  const stranger = blocks.find(({ label }) => label !== 'CERTIFICATE')
  if (stranger) throw secretError(where, `holds a ${stranger.label}, expected certificates alone`)
  if (blocks.length === 0) throw secretError(where, 'holds no certificate, expected at least one in PEM')
  return blocks.map(({ der }, index) => {
    const certificate = readCertificate(der)
    if (isFault(certificate)) throw secretError(where, `certificate ${index + 1} ${certificate.problem}`)
    const problem = authorityFault(certificate)
    if (problem) throw secretError(where, `${certificateName(certificate)} ${problem}`)
    return certificate
  })
}

function authorityFault({ isCA, maySignCertificates, extendedKeyUsage }: Certificate): string | undefined {
  if (!maySignCertificates)
    return 'has a keyUsage without keyCertSign, expected a CA that may sign certificates'
  if (!isCA) return "is no CA's, expected basicConstraints with CA:TRUE"
  if (extendedKeyUsage && !extendedKeyUsage.includes(NODE_KEY_USAGE)) {
    return `is restricted to other uses, expected no extended key usage, or ${NODE_KEY_USAGE} among them`
  }
  return undefined
}

type Chains = ReadonlyMap<Certificate, readonly Validity[]>

/**
 * When the chains of each certificate hold, up to a self-signed one. None is longer than the bundle: it would come to a
 * certificate twice and be none the better. Looked for from the far end, so that CAs which all signed each other cost no more.
 */
function chainsIn(bundle: readonly Certificate[]): Chains {
  const issuers = new Map(bundle.map(each => [each, issuersOf(each, bundle)]))
  let chains: Chains = new Map()
  for (let below = bundle.length - 1; below >= 0; below--) {
    const above = chains
    const chainsOf = (certificate: Certificate): readonly Validity[] => {
      const signers = issuers.get(certificate) ?? []
      if (below > certificate.maxPathLength) return []
      if (signers.includes(certificate)) return [certificate.validity]
      const longer = signers.flatMap(issuer => above.get(issuer) ?? [])
      return distinct(longer.map(each => intersection(each, certificate.validity)))
    }
    chains = new Map(bundle.map(each => [each, chainsOf(each)]))
  }
  return chains
}

function issuersOf({ x509 }: Certificate, bundle: readonly Certificate[]): readonly Certificate[] {
  return bundle.filter(each => x509.checkIssued(each.x509) && isSignedBy(x509, each))
}

function distinct(validities: readonly Validity[]): readonly Validity[] {
  return [...new Map(validities.map(each => [`${each.notBefore} ${each.notAfter}`, each])).values()]
}

function isSignedBy(x509: Certificate['x509'], { publicKey }: Certificate): boolean {
  return x509.verify(publicKey)
}

function noChain({ x509 }: Certificate): string {
  return `is issued by ${issuerOf(x509)}, and no chain of these certificates leads to a self-signed one within its path length`
}

function issuerOf(x509: Certificate['x509']): string {
  return JSON.stringify((x509.issuer ?? '').replaceAll('\n', ', '))
}
