import { createSecretKey, type KeyObject } from 'node:crypto'
import { TriremeError } from '../errors.js'
import type { DropReason } from '../flow.js'
import type { RecordSigner, RecordUse, RecordVerifier, Secrets } from '../plugin.js'
import { ChangeListeners } from './change-listeners.js'
import { hkdfExpand, hkdfExtract } from './hkdf.js'
import { MAX_ISSUER_BYTES } from './record-claims.js'

/** The shortest pre-shared key that is accepted. */
export const MIN_PSK_BYTES = 16

/** One pre-shared key, or several of which the first signs and all verify. Each has at least 16 bytes; they are copied. */
export type PSKSecretsOptions = { readonly key: Uint8Array } | { readonly keys: readonly Uint8Array[] }

export interface PSKSecrets extends Secrets {
  /**
   * Replaces all keys at once: the first signs, all verify, what is not among them is refused from now on. To rotate
   * without a failed connection, on every node: `[old, new]`, then `[new, old]`, then `[new]`.
   * @throws TriremeError `ERR_SECRET` and changes nothing where a key is too short or none is given.
   */
  replaceKeys(keys: readonly Uint8Array[]): void
}

/**
 * Secrets of nodes that share a key. One trust domain: whoever holds the key can claim any identity.
 *
 *     PRK            = HKDF-Extract("trireme/1 psk", PSK)                            (RFC 5869, SHA-256)
 *     key ID         = hex of HKDF-Expand(PRK, "trireme/1 key id", 8)
 *     session secret = HKDF-Expand(PRK, "trireme/1 session", 32)
 *     record key     = HKDF-Expand(PRK, "trireme/1 record" ‖ 0x00 ‖ encoding ‖ 0x00 ‖ issuer, 32)
 *
 * `encoding` has no NUL, so no two pairs of encoding and issuer share a key.
 * @throws TriremeError `ERR_SECRET` where a key is too short or none is given.
 */
export function pskSecrets(options: PSKSecretsOptions): PSKSecrets {
  return new KeyRing('keys' in options ? options.keys : [options.key])
}

class KeyRing implements PSKSecrets {
  readonly mode = 'psk'
  readonly #listeners = new ChangeListeners()
  #keys: readonly [PresharedKey, ...PresharedKey[]]

  constructor(keys: readonly Uint8Array[]) {
    this.#keys = deriveAll(keys)
  }

  signer(use: RecordUse): RecordSigner {
    const [first] = this.#keys
    return { algorithm: 'HS256', keyID: first.id, key: first.recordKey(use) }
  }

  verifier(
    use: RecordUse & { readonly keyID: string; readonly credential?: Uint8Array },
  ): RecordVerifier | DropReason {
    // A credential belongs to modes in which the peer's key is its own; nothing may travel unread.
    if (use.credential !== undefined || use.issuer.length > MAX_ISSUER_BYTES) return 'token'
    const key = this.#find(use.keyID)
    if (!key) return 'token'
    return { algorithm: 'HS256', key: key.recordKey(use), notAfter: Number.MAX_SAFE_INTEGER }
  }

  sessionSecret(keyID: string): Uint8Array | undefined {
    return this.#find(keyID)?.sessionSecret()
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener)
  }

  replaceKeys(keys: readonly Uint8Array[]): void {
    this.#keys = deriveAll(keys)
    this.#listeners.notify()
  }

  #find(keyID: string): PresharedKey | undefined {
    return this.#keys.find(key => key.id === keyID)
  }
}

/** Issuers come from records that nobody has verified yet: what is kept for them is bounded. */
const MAX_CACHED_RECORD_KEYS = 1024

class PresharedKey {
  readonly id: string
  readonly #prk: Uint8Array
  readonly #recordKeys = new Map<string, KeyObject>()

  constructor(psk: Uint8Array) {
    this.#prk = hkdfExtract(Buffer.from('trireme/1 psk'), psk)
    this.id = Buffer.from(this.#derive('trireme/1 key id', 8)).toString('hex')
  }

  sessionSecret(): Uint8Array {
    return this.#derive('trireme/1 session', 32)
  }

  recordKey({ encoding, issuer }: RecordUse): KeyObject {
    const label = `trireme/1 record\0${encoding}\0${issuer}`
    const known = this.#recordKeys.get(label)
    if (known) return known
    const key = createSecretKey(this.#derive(label, 32))
    if (this.#recordKeys.size >= MAX_CACHED_RECORD_KEYS) this.#recordKeys.clear()
    this.#recordKeys.set(label, key)
    return key
  }

  #derive(label: string, length: number): Uint8Array {
    return hkdfExpand(this.#prk, Buffer.from(label), length)
  }
}

function deriveAll(keys: readonly Uint8Array[]): readonly [PresharedKey, ...PresharedKey[]] {
  const [first, ...others] = keys.map(derive)
  if (!first) throw new TriremeError('ERR_SECRET', 'psk: no key was given, expected at least one')
  return [first, ...others]
}

/** The message never shows the key. */
function derive(psk: Uint8Array, index: number): PresharedKey {
  if (!(psk instanceof Uint8Array)) {
    throw new TriremeError(
      'ERR_SECRET',
      `psk: key ${index + 1} is of type ${typeof psk}, expected a Uint8Array`,
    )
  }
  if (psk.length < MIN_PSK_BYTES) {
    throw new TriremeError(
      'ERR_SECRET',
      `psk: key ${index + 1} has ${psk.length} bytes, expected at least ${MIN_PSK_BYTES}`,
    )
  }
  return new PresharedKey(psk)
}
