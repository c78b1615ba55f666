import { isUtf8 } from 'node:buffer'
import { type KeyObject, sign, verify } from 'node:crypto'
import { ES256_SIGNATURE_BYTES, isLowS, toLowS } from './low-s.js'
import {
  COMPRESSED_POINT_BYTES,
  compressP256Key,
  decompressP256Key,
  p256Fault,
  p256KeyID,
} from './p256-key.js'
import { MAX_ISSUER_BYTES } from './record-claims.js'
import { refuseToken, secretError } from './secret-fault.js'
import type { TrustStore } from './trust-store.js'
import { intersection } from './validity.js'
import type { Vouch } from './vouched-key.js'

/** The label of a statement in PEM. */
export const STATEMENT_LABEL = 'TRIREME STATEMENT'

/** What an authority says of a node. */
export interface Statement {
  readonly serverID: string
  /** On P-256. */
  readonly publicKey: KeyObject
  /** Seconds since 1970, to the end of which the key is good. */
  readonly notAfter: number
}

/** A statement taken apart; nobody has checked its signature yet. */
export interface ReadStatement extends Statement {
  /** The key ID of the authority that signed. */
  readonly caKeyID: string
}

/** Nothing that is signed for another use begins like this. */
const PREFIX = Buffer.from('trireme/1 statement\0')
const VERSION = 1
const CA_KEY_ID_AT = 1
const NOT_AFTER_AT = 9
const KEY_AT = 13
const LENGTH_AT = KEY_AT + COMPRESSED_POINT_BYTES
const SERVER_ID_AT = LENGTH_AT + 1
const MAX_TIME = 0xffff_ffff

/**
 * Signs a statement: what compact PKI has instead of an X.509 certificate.
 *
 *      bytes
 *     +----+---------------------------------------------------------------+
 *     | 1  | version: 1                                                    |
 *     | 8  | the authority's key ID                                        |
 *     | 4  | not after, seconds since 1970                                 |
 *     | 33 | the node's public key: compressed point of P-256 (SEC 1)      |
 *     | 1  | n, the length of the server ID: 1 to 255                      |
 *     | n  | server ID, UTF-8                                              |
 *     +----+---------------------------------------------------------------+
 *     | 64 | ECDSA P-256 with SHA-256 (FIPS 186-5), r ‖ s, low s           |
 *     +----+---------------------------------------------------------------+
 *
 * Signed is `"trireme/1 statement" ‖ 0x00 ‖` all before the signature. Integers are big endian. There is one form, and any
 * other is refused.
 * @throws TriremeError `ERR_SECRET` where a key is not on P-256; RangeError for a name or a time that the form cannot carry.
 */
export function signStatement(statement: Statement, caPrivateKey: KeyObject, caKeyID: string): Uint8Array {
  const { serverID, publicKey, notAfter } = statement
  const problem = p256Fault(publicKey)
  if (problem) throw secretError('statement: publicKey', problem)
  const name = Buffer.from(serverID)
  if (name.length < 1 || name.length > MAX_ISSUER_BYTES) {
    throw new RangeError(`statement: serverID has ${name.length} bytes, expected 1 to ${MAX_ISSUER_BYTES}`)
  }
  if (!Number.isInteger(notAfter) || notAfter < 0 || notAfter > MAX_TIME) {
    throw new RangeError(`statement: notAfter is ${notAfter}, expected whole seconds from 0 to ${MAX_TIME}`)
  }
  const time = Buffer.alloc(4)
  time.writeUInt32BE(notAfter)
  const body = Buffer.concat([
    ...[Buffer.of(VERSION), Buffer.from(caKeyID, 'hex'), time, compressP256Key(publicKey)],
    ...[Buffer.of(name.length), name],
  ])
  const data = Buffer.concat([PREFIX, body])
  return Buffer.concat([body, toLowS(sign('sha256', data, { key: caPrivateKey, dsaEncoding: 'ieee-p1363' }))])
}

/** Takes a statement apart, strictly; undefined for bytes that are none. */
export function readStatement(bytes: Uint8Array): ReadStatement | undefined {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const nameBytes = source[LENGTH_AT]
  if (source[0] !== VERSION || !nameBytes) return undefined
  const end = SERVER_ID_AT + nameBytes
  if (source.length !== end + ES256_SIGNATURE_BYTES) return undefined
  const name = source.subarray(SERVER_ID_AT, end)
  const publicKey = decompressP256Key(source.subarray(KEY_AT, LENGTH_AT))
  if (!publicKey || !isUtf8(name)) return undefined
  return {
    serverID: name.toString(),
    publicKey,
    notAfter: source.readUInt32BE(NOT_AFTER_AT),
    caKeyID: source.toString('hex', CA_KEY_ID_AT, NOT_AFTER_AT),
  }
}

/** Checks statements against the authorities of a store. */
export function statementVouch(store: TrustStore): Vouch {
  return credential => {
    const statement = readStatement(credential)
    if (!statement) return refuseToken('is no statement')
    const { serverID, publicKey, notAfter, caKeyID } = statement
    const named = store.withKeyID(caKeyID)
    if (named.length === 0)
      return refuseToken(`is signed by key ${caKeyID}, which is none of the CA certificates'`)
    const signers = named.filter(({ certificate }) => isSignedBy(credential, certificate.publicKey))
    if (signers.length === 0) return refuseToken(`is not signed by key ${caKeyID}, the CA's that it names`)
    const validities = signers.flatMap(authority =>
      authority.validities.map(each => intersection(each, { notBefore: 0, notAfter })),
    )
    return { serverID, publicKey, keyID: p256KeyID(publicKey), validities }
  }
}

function isSignedBy(statement: Uint8Array, key: KeyObject): boolean {
  const signature = statement.subarray(-ES256_SIGNATURE_BYTES)
  if (!isLowS(signature)) return false
  const data = Buffer.concat([PREFIX, statement.subarray(0, -ES256_SIGNATURE_BYTES)])
  return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature)
}
