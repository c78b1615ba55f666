import { createPublicKey, diffieHellman } from 'node:crypto'
import {
  type AuthMode,
  ackHeader,
  clientMAC,
  deriveHandshakeKeys,
  encodeAck,
  encodeSyn,
  encodeSynAck,
  ephemeralKeyFrom,
  type Factory,
  hkdfExtract,
  type RecordClaims,
  type Secrets,
  serverMAC,
  sha256,
  signedPart,
  suite,
  type Tags,
  type TokenEngine,
  transcriptHash,
} from '@trireme/core'
import { binaryTokens } from '@trireme/tokens-binary'
import { jwtTokens } from '@trireme/tokens-jwt'
import { type Role, SERVER_IDS, secretsOf, type TrustMaterial } from './trust-material.js'

export const ENCODINGS: Readonly<Record<string, Factory<{ readonly secrets: Secrets }, TokenEngine>>> = {
  binary: binaryTokens(),
  jwt: jwtTokens(),
}

/** What a vector begins with: with it and the records, all else is determined. Bytes are in hex. */
export interface VectorInputs {
  readonly name: string
  readonly mode: AuthMode
  readonly encoding: string
  /** Seconds since 1970, when the handshake takes place. */
  readonly now: number
  readonly trust: TrustMaterial
  readonly client: EndInputs
  readonly server: EndInputs
  /** 16 bytes, IPv4 as IPv4-mapped IPv6. */
  readonly dialledAddress: string
  readonly dialledPort: number
}

export interface EndInputs {
  readonly issuer: string
  readonly puID: string
  readonly tags: Tags
  readonly notBefore: number
  readonly notAfter: number
  /** X25519 private key. */
  readonly ephemeralPrivateKey: string
  readonly nonce: string
}

/** The records, and everything that follows from inputs and records: bytes, in hex. */
export interface VectorOutputs {
  readonly clientRecord: string
  readonly serverRecord: string
  readonly clientRecordHash: string
  readonly serverRecordHash: string
  readonly suite: string
  readonly syn: string
  readonly h1: string
  readonly sharedSecret: string
  /** Empty where the mode has none. */
  readonly sessionSecret: string
  readonly salt: string
  readonly prk: string
  readonly keyServer: string
  readonly keyClient: string
  readonly h2: string
  readonly macServer: string
  readonly synAck: string
  readonly macClient: string
  readonly ack: string
  readonly flowID: string
}

export interface HandshakeVector {
  readonly inputs: VectorInputs
  readonly outputs: VectorOutputs
}

export interface Records {
  readonly client: Uint8Array
  readonly server: Uint8Array
}

export function engineOf(inputs: VectorInputs, role: Role): { engine: TokenEngine; secrets: Secrets } {
  const secrets = secretsOf(inputs.trust, role, () => inputs.now * 1000)
  return { engine: ENCODINGS[inputs.encoding]!({ secrets }), secrets }
}

export function claimsOf(end: EndInputs): RecordClaims {
  const { issuer, puID, tags, notBefore, notAfter } = end
  const ephemeralKey = ephemeralKeyFrom(hex(end.ephemeralPrivateKey)).publicKey
  return { issuer, puID, tags, ephemeralKey, notBefore, notAfter }
}

/** Both ends' records, issued anew: with ECDSA other bytes each time. */
export async function issueRecords(inputs: VectorInputs): Promise<Records> {
  const issue = (role: Role) => engineOf(inputs, role).engine.issue(claimsOf(inputs[role]))
  return { client: await issue('client'), server: await issue('server') }
}

/** The whole handshake over these records. */
export async function outputsOf(inputs: VectorInputs, records: Records): Promise<VectorOutputs> {
  const { engine, secrets } = engineOf(inputs, 'client')
  const { client, server } = inputs
  const own = suite(inputs.mode, engine.encodingCode)
  const clientKey = ephemeralKeyFrom(hex(client.ephemeralPrivateKey))
  const serverKey = ephemeralKeyFrom(hex(server.ephemeralPrivateKey))
  const { keyID } = secrets.signer({ issuer: client.issuer, encoding: engine.encoding })
  const sessionSecret = secrets.sessionSecret(keyID)
  const hashes = { client: sha256(records.client), server: sha256(records.server) }
  const keys = deriveHandshakeKeys({
    suite: own,
    ownPrivateKey: clientKey.privateKey,
    peerPublicKey: serverKey.publicKey,
    sessionSecret,
    clientRecordHash: hashes.client,
    serverRecordHash: hashes.server,
  })!

  const syn = encodeSyn(own, {
    nonce: hex(client.nonce),
    dialledAddress: hex(inputs.dialledAddress),
    dialledPort: inputs.dialledPort,
    record: records.client,
  })
  const h1 = sha256(syn)
  const synAck = encodeSynAck(own, hex(server.nonce), records.server)
  const h2 = transcriptHash(h1, signedPart(synAck))
  const macServer = serverMAC(keys, h2)
  synAck.set(macServer, synAck.length - macServer.length)
  const header = ackHeader(own)
  const macClient = clientMAC(keys, h2, macServer, header)

  const shared = diffieHellman({
    privateKey: clientKey.privateKey,
    publicKey: createPublicKey(serverKey.privateKey),
  })
  const salt = sha256(Buffer.from('trireme/1'), Uint8Array.of(own.modeCode, own.encodingCode))
  const bytes: Record<keyof VectorOutputs, Uint8Array> = {
    clientRecord: records.client,
    serverRecord: records.server,
    clientRecordHash: hashes.client,
    serverRecordHash: hashes.server,
    suite: syn.subarray(4, 5),
    syn,
    h1,
    sharedSecret: shared,
    sessionSecret: sessionSecret ?? new Uint8Array(0),
    salt,
    prk: hkdfExtract(salt, Buffer.concat([shared, sessionSecret ?? new Uint8Array(0)])),
    keyServer: keys.server.export(),
    keyClient: keys.client.export(),
    h2,
    macServer,
    synAck,
    macClient,
    ack: encodeAck(header, macClient),
    flowID: h1.subarray(0, 16),
  }
  const texts = Object.entries(bytes).map(([name, value]) => [name, Buffer.from(value).toString('hex')])
  return Object.fromEntries(texts) as VectorOutputs
}

const NOW = Date.UTC(2030, 0, 1) / 1000

/** Fixed but for `trust`: names, tags, times, private keys and nonces. */
export function vectorInputs(encoding: string, trust: TrustMaterial, isLong: boolean): VectorInputs {
  const tags = isLong ? LONG_TAGS : { client: FRONTEND, server: WEB }
  const end = (role: Role, fill: number): EndInputs => ({
    issuer: SERVER_IDS[role],
    puID: role === 'client' ? 'frontend-1' : 'web-1',
    tags: tags[role],
    notBefore: NOW - 60,
    notAfter: NOW + 120,
    ephemeralPrivateKey: fixedBytes(32, fill),
    nonce: fixedBytes(16, fill + 64),
  })
  return {
    name: `${trust.mode}-${encoding}${isLong ? '-short-tags' : ''}`,
    ...{ mode: trust.mode, encoding, now: NOW, trust },
    ...{ client: end('client', 1), server: end('server', 65) },
    ...{ dialledAddress: '00000000000000000000ffffc0000201', dialledPort: 8080 },
  }
}

const FRONTEND: Tags = [
  { key: 'app', value: 'frontend' },
  { key: 'env', value: 'prod' },
  { key: 'env', value: '' },
]
const WEB: Tags = [
  { key: 'app', value: 'web' },
  { key: 'größe', value: 'a=b,\u{1f600}' },
]
const LONG_TAGS = {
  client: Array.from({ length: 32 }, (_, i) => ({
    key: `example.com/label-${i}`,
    value: `value-${i}-`.repeat(20),
  })),
  server: WEB,
}

function fixedBytes(length: number, first: number): string {
  return Buffer.from(Array.from({ length }, (_, i) => (first + i) & 0xff)).toString('hex')
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'))
}
