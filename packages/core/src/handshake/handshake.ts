import { randomFillSync } from 'node:crypto'
import type { Secrets, TokenEngine } from '../plugin.js'
import { deriveHandshakeKeys, type HandshakeKeys } from './key-schedule.js'
import { NONCE_BYTES, type Suite, suite } from './overlay.js'
import { type OwnRecord, RecordIssuer } from './record-issuer.js'
import { type PeerRecord, RecordVerifierCache } from './record-verifier.js'
import { TwoGenerationMap } from './two-generation-map.js'

const CACHED_KEY_PAIRS = 16_384
const NONCE_POOL_BYTES = 4096

export interface HandshakeOptions {
  readonly serverID: string
  readonly engine: TokenEngine
  readonly secrets: Secrets
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Hears of a PU's record that could not be renewed and, with an empty ID, of a peer's that the engine failed to judge. */
  readonly onError: (contextID: string, error: unknown) => void
}

/** A node's half of every handshake: its records, what it knows of its peers', and the keys of each pair. */
export class Handshake {
  readonly suite: Suite
  readonly issuer: RecordIssuer
  readonly verifier: RecordVerifierCache
  readonly shortensTags: boolean
  readonly #secrets: Secrets
  readonly #keys = new TwoGenerationMap<string, HandshakeKeys>(CACHED_KEY_PAIRS)
  readonly #noncePool = new Uint8Array(NONCE_POOL_BYTES)
  #nonceAt = NONCE_POOL_BYTES
  /** Diffie-Hellman computations: none on a warm connection. */
  coldKeys = 0

  constructor(options: HandshakeOptions) {
    const { serverID, engine, secrets, now, onError } = options
    const use = { issuer: serverID, encoding: engine.encoding }
    this.#secrets = secrets
    this.shortensTags = engine.shortensTags ?? false
    this.suite = suite(secrets.mode, engine.encodingCode)
    this.issuer = new RecordIssuer({ serverID, engine, keyID: () => secrets.signer(use).keyID, now, onError })
    this.verifier = new RecordVerifierCache({ engine, now, onError: error => onError('', error) })
  }

  /** Whether a peer's record costs a public-key operation to verify. */
  get verifiesSignatures(): boolean {
    return this.#secrets.mode !== 'psk' && this.#secrets.mode !== 'null'
  }

  /** 16 bytes of the system's random generator. */
  nonce(): Uint8Array {
    if (this.#nonceAt === NONCE_POOL_BYTES) {
      randomFillSync(this.#noncePool)
      this.#nonceAt = 0
    }
    const nonce = this.#noncePool.slice(this.#nonceAt, this.#nonceAt + NONCE_BYTES)
    this.#noncePool.fill(0, this.#nonceAt, this.#nonceAt + NONCE_BYTES)
    this.#nonceAt += NONCE_BYTES
    return nonce
  }

  /** The keys between our record as the client's and a peer's as the server's; undefined for an invalid peer key. */
  keysAsClient(own: OwnRecord, peer: PeerRecord): HandshakeKeys | undefined {
    return this.#pairKeys({ own, peer, clientHash: own.hash, serverHash: peer.hash, keyID: own.keyID })
  }

  /** The keys between a peer's record as the client's and ours as the server's; undefined for an invalid peer key. */
  keysAsServer(own: OwnRecord, peer: PeerRecord): HandshakeKeys | undefined {
    const keyID = peer.claims.keyID
    return this.#pairKeys({ own, peer, clientHash: peer.hash, serverHash: own.hash, keyID })
  }

  /** Follows the secrets: what they cease to vouch for is forgotten at once. Returns how to stop. */
  listen(): () => void {
    return this.#secrets.onChange(() => void this.secretsChanged())
  }

  /** Forgets every record and key that a secret vouched for, and renews our own. To be called when the secrets change. */
  async secretsChanged(): Promise<void> {
    this.verifier.purge()
    this.#keys.clear()
    await this.issuer.renew(true)
  }

  #pairKeys(pair: KeyPair): HandshakeKeys | undefined {
    const { own, peer, clientHash, serverHash, keyID } = pair
    const cacheKey = clientHash.toString('latin1') + serverHash.toString('latin1')
    const known = this.#keys.get(cacheKey)
    if (known) return known
    const sessionSecret = this.#secrets.sessionSecret(keyID)
    if (this.#secrets.mode === 'psk' && !sessionSecret) return undefined
    this.coldKeys++
    const keys = deriveHandshakeKeys({
      suite: this.suite,
      ownPrivateKey: own.ephemeral.privateKey,
      peerPublicKey: peer.claims.ephemeralKey,
      sessionSecret,
      clientRecordHash: clientHash,
      serverRecordHash: serverHash,
    })
    if (keys) this.#keys.set(cacheKey, keys)
    return keys
  }
}

interface KeyPair {
  readonly own: OwnRecord
  readonly peer: PeerRecord
  readonly clientHash: Buffer
  readonly serverHash: Buffer
  /** Of the client's record: names the secret that both ends mix in. */
  readonly keyID: string
}
