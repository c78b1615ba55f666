import type { DropReason } from '../flow.js'
import type { PublicKeyAdder, RecordSigner, RecordUse, RecordVerifier } from '../plugin.js'
import { ChangeListeners } from './change-listeners.js'
import type { CheckedCredentials, GoodKey } from './checked-credentials.js'
import type { LoadedSecrets, VouchedSecrets } from './credential-secrets.js'
import { checkSameNode, signWith } from './node-key.js'
import { pemBlocks } from './pem.js'
import { loadPKI, type PKIMaterial, type PKISecretsOptions } from './pki.js'
import { isFault, secretError } from './secret-fault.js'

/**
 * Secrets whose peers' certificates were handed out beforehand, and the way to hand them out. A change of the authorities holds
 * for the certificates that were added before, too: those that they do not vouch for are refused, and no longer once they do.
 */
export interface PrepopulatedPKISecrets extends VouchedSecrets<PKIMaterial>, PublicKeyAdder {
  /**
   * Replaces what was known of `host`, its server ID, by the certificates in this text: one, or during a rotation the old and
   * the new one. The node itself needs no entry. To rotate a node's key without a failed connection: add `old + new` on all
   * nodes, itself included, `replace` its own, then add `new` on all.
   * @throws TriremeError `ERR_SECRET` and changes nothing where one is not good now, or is another host's.
   */
  publicKeyAdd(host: string, certPEM: string): void
  /** Refuses `host` from now on. */
  publicKeyRemove(host: string): void
}

/**
 * Secrets of nodes that trust the same authorities and know each other's certificates beforehand, so that records stay small.
 * @throws TriremeError `ERR_SECRET`, which names the option and what was expected, for a key or certificate that is not good now.
 */
export function prepopulatedPKISecrets(options: PKISecretsOptions): PrepopulatedPKISecrets {
  return new KnownHosts(options)
}

class KnownHosts implements PrepopulatedPKISecrets {
  readonly mode = 'pki-prepopulated'
  readonly #now: () => number
  readonly #listeners = new ChangeListeners()
  readonly #hosts = new Map<string, readonly KnownKey[]>()
  #material: PKIMaterial
  #loaded: LoadedSecrets

  constructor({ now = Date.now, ...material }: PKISecretsOptions) {
    this.#now = now
    this.#material = material
    this.#loaded = loadPKI(this.mode, material, now)
  }

  get serverID(): string {
    return this.#loaded.nodeKey.vouched.serverID
  }

  get notAfter(): number {
    return this.#loaded.nodeKey.vouched.notAfter
  }

  signer(use: RecordUse): RecordSigner {
    return signWith(this.#loaded.nodeKey, use)
  }

  verifier(
    use: RecordUse & { readonly keyID: string; readonly credential?: Uint8Array },
  ): RecordVerifier | DropReason {
    // A certificate on the wire belongs to another mode; nothing may travel unread.
    if (use.credential !== undefined) return 'token'
    const { checked } = this.#loaded
    const known = [...this.#ownKeys(use.issuer), ...(this.#hosts.get(use.issuer) ?? [])]
    const answers = known.filter(({ keyID }) => keyID === use.keyID).map(({ der }) => checked.check(der))
    const good = answers.find((answer): answer is GoodKey => !isFault(answer))
    if (good) return { algorithm: 'ES256', key: good.publicKey, notAfter: good.notAfter }
    return answers.find(isFault)?.reason ?? 'token'
  }

  sessionSecret(): undefined {
    return undefined
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener)
  }

  replace(changes: Partial<PKIMaterial>): void {
    const material = { ...this.#material, ...changes }
    const loaded = loadPKI(this.mode, material, this.#now)
    checkSameNode(this.#loaded.nodeKey, loaded.nodeKey)
    this.#loaded = loaded
    this.#material = material
    this.#listeners.notify()
  }

  publicKeyAdd(host: string, certPEM: string): void {
    this.#hosts.set(host, readCertificates(host, certPEM, this.#loaded.checked))
    this.#listeners.notify()
  }

  publicKeyRemove(host: string): void {
    if (this.#hosts.delete(host)) this.#listeners.notify()
  }

  #ownKeys(issuer: string): readonly KnownKey[] {
    const { credential, vouched } = this.#loaded.nodeKey
    return issuer === vouched.serverID ? [{ der: credential, keyID: vouched.keyID }] : []
  }
}

/** A certificate that was handed out, and the ID of the key in it. */
interface KnownKey {
  readonly der: Uint8Array
  readonly keyID: string
}

function readCertificates(host: string, certPEM: string, checked: CheckedCredentials): readonly KnownKey[] {
  const where = `publicKeyAdd(${JSON.stringify(host)})`
  if (typeof certPEM !== 'string')
    throw secretError(where, `certPEM is of type ${typeof certPEM}, expected PEM text`)
  const blocks = pemBlocks(certPEM)
  const stranger = blocks.find(({ label }) => label !== 'CERTIFICATE')
  if (stranger) throw secretError(where, `certPEM holds a ${stranger.label}, expected certificates alone`)
  if (blocks.length === 0) throw secretError(where, 'certPEM holds no certificate, expected at least one')
  return blocks.map(({ der }, index) => {
    const vouched = checked.check(der)
    if (isFault(vouched)) throw secretError(where, `certificate ${index + 1} ${vouched.problem}`)
    if (vouched.serverID === host) return { der, keyID: vouched.keyID }
    throw secretError(where, `certificate ${index + 1} is that of ${JSON.stringify(vouched.serverID)}`)
  })
}
