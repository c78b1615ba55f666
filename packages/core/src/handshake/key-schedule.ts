import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  hash,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto'
import { hkdfExpand, hkdfExtract } from '../secrets/hkdf.js'
import type { Suite } from './overlay.js'

/** SHA-256 (FIPS 180-4), 32 bytes. */
export function sha256(...parts: readonly Uint8Array[]): Buffer {
  // Of one part it takes half the time in one call.
  if (parts.length === 1) return hash('sha256', parts[0]!, 'buffer')
  const digest = createHash('sha256')
  for (const part of parts) digest.update(part)
  return digest.digest()
}

/** One X25519 key pair (RFC 7748). The private half never leaves the process. */
export interface EphemeralKey {
  readonly privateKey: KeyObject
  /** 32 bytes. */
  readonly publicKey: Uint8Array
}

export function generateEphemeralKey(): EphemeralKey {
  const { publicKey, privateKey } = generateKeyPairSync('x25519')
  return { privateKey, publicKey: Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url') }
}

/** An ephemeral key from its 32 private bytes, for test vectors. */
export function ephemeralKeyFrom(privateBytes: Uint8Array): EphemeralKey {
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), privateBytes])
  const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  const x = createPublicKey(privateKey).export({ format: 'jwk' }).x!
  return { privateKey, publicKey: Buffer.from(x, 'base64url') }
}

/** The two keys of an ordered pair of records. */
export interface HandshakeKeys {
  readonly server: KeyObject
  readonly client: KeyObject
}

export interface KeyScheduleInput {
  readonly suite: Suite
  readonly ownPrivateKey: KeyObject
  /** The peer's X25519 public key, 32 bytes. */
  readonly peerPublicKey: Uint8Array
  readonly sessionSecret: Uint8Array | undefined
  /** SHA-256 over the client's record. */
  readonly clientRecordHash: Uint8Array
  /** SHA-256 over the server's record. */
  readonly serverRecordHash: Uint8Array
}

/**
 * PRK = HKDF-Extract(SHA-256("trireme/1" ‖ mode ‖ encoding), ECDH ‖ session secret);
 * K_s, K_c = HKDF-Expand(PRK, "s" or "c" ‖ SHA-256(record_c) ‖ SHA-256(record_s)) (RFC 5869).
 * Undefined where the peer's point is invalid or of low order, so that the shared secret would be all zero (RFC 7748 §6.1).
 */
export function deriveHandshakeKeys(input: KeyScheduleInput): HandshakeKeys | undefined {
  const shared = sharedSecret(input.ownPrivateKey, input.peerPublicKey)
  if (!shared) return undefined
  const { modeCode, encodingCode } = input.suite
  const salt = sha256(Buffer.from('trireme/1'), Uint8Array.of(modeCode, encodingCode))
  const prk = hkdfExtract(salt, input.sessionSecret ? Buffer.concat([shared, input.sessionSecret]) : shared)
  const key = (role: string) =>
    createSecretKey(
      hkdfExpand(prk, Buffer.concat([Buffer.from(role), input.clientRecordHash, input.serverRecordHash]), 32),
    )
  return { server: key('s'), client: key('c') }
}

/** h2 = SHA-256(h1 ‖ the SYN-ACK's overlay before its MAC). */
export function transcriptHash(h1: Uint8Array, signedSynAck: Uint8Array): Buffer {
  return sha256(h1, signedSynAck)
}

/** MAC_s = HMAC-SHA256(K_s, h2). */
export function serverMAC(keys: HandshakeKeys, h2: Uint8Array): Buffer {
  return createHmac('sha256', keys.server).update(h2).digest()
}

/** MAC_c = HMAC-SHA256(K_c, h2 ‖ MAC_s ‖ the ACK's header). */
export function clientMAC(keys: HandshakeKeys, h2: Uint8Array, macs: Uint8Array, header: Uint8Array): Buffer {
  return createHmac('sha256', keys.client).update(h2).update(macs).update(header).digest()
}

/** Compares in constant time. */
export function macEquals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

function sharedSecret(privateKey: KeyObject, peerPublicKey: Uint8Array): Buffer | undefined {
  if (peerPublicKey.length !== 32) return undefined
  const x = Buffer.from(peerPublicKey).toString('base64url')
  try {
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' })
    const shared = diffieHellman({ privateKey, publicKey })
    return shared.every(byte => byte === 0) ? undefined : shared
  } catch {
    // OpenSSL refuses low-order points by failing the derivation.
    return undefined
  }
}
