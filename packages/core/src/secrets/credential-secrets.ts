import type { DropReason } from '../flow.js'
import type { AuthMode, RecordSigner, RecordUse, RecordVerifier, Secrets } from '../plugin.js'
import { ChangeListeners } from './change-listeners.js'
import type { CheckedCredentials } from './checked-credentials.js'
import { checkSameNode, type NodeKey, signWith } from './node-key.js'
import { isFault } from './secret-fault.js'

/** What a node signs with, and what it has checked of others. */
export interface LoadedSecrets {
  readonly nodeKey: NodeKey
  readonly checked: CheckedCredentials
}

/** What all secrets have whose public keys an authority vouches for. `Material` is what they are made of. */
export interface VouchedSecrets<Material extends object> extends Secrets {
  /** The server ID for which the node's own key was vouched. */
  readonly serverID: string
  /** Seconds since 1970: until when the node's own key is good. */
  readonly notAfter: number
  /**
   * Replaces what is given and keeps the rest, all at once; what nobody vouches for any more is refused from now on.
   * @throws TriremeError `ERR_SECRET` and changes nothing where the new whole would not do for a start, or is another node's.
   */
  replace(changes: Partial<Material>): void
}

/** `load` turns material into what is used, and throws where it would not do. */
export interface CredentialSecretsOptions<Material extends object> {
  readonly mode: AuthMode
  readonly material: Material
  readonly load: (material: Material) => LoadedSecrets
}

/** Secrets whose public keys travel in the records, each in a credential that an authority signed. */
export class CredentialSecrets<Material extends object> implements VouchedSecrets<Material> {
  readonly mode: AuthMode
  readonly #load: (material: Material) => LoadedSecrets
  readonly #listeners = new ChangeListeners()
  #material: Material
  #loaded: LoadedSecrets

  constructor({ mode, material, load }: CredentialSecretsOptions<Material>) {
    this.mode = mode
    this.#load = load
    this.#material = { ...material }
    this.#loaded = load(material)
  }

  get serverID(): string {
    return this.#loaded.nodeKey.vouched.serverID
  }

  get notAfter(): number {
    return this.#loaded.nodeKey.vouched.notAfter
  }

  signer(use: RecordUse): RecordSigner {
    const { nodeKey } = this.#loaded
    return { ...signWith(nodeKey, use), credential: nodeKey.credential }
  }

  verifier(
    use: RecordUse & { readonly keyID: string; readonly credential?: Uint8Array },
  ): RecordVerifier | DropReason {
    if (use.credential === undefined) return 'token'
    const vouched = this.#loaded.checked.check(use.credential)
    if (isFault(vouched)) return vouched.reason
    if (vouched.serverID !== use.issuer || vouched.keyID !== use.keyID) return 'token'
    return { algorithm: 'ES256', key: vouched.publicKey, notAfter: vouched.notAfter }
  }

  sessionSecret(): undefined {
    return undefined
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener)
  }

  replace(changes: Partial<Material>): void {
    const material = { ...this.#material, ...changes }
    const loaded = this.#load(material)
    checkSameNode(this.#loaded.nodeKey, loaded.nodeKey)
    this.#loaded = loaded
    this.#material = material
    this.#listeners.notify()
  }
}
