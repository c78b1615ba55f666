import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { type AuthMode, pskSecrets, type RecordVerifier, type Secrets } from '@trireme/core'
import type { SecretsKind } from './check.js'

/** The nodes of the sample secrets: each has a key of its own. */
export const HOSTS = ['host-a', 'host-b'] as const

/** Until when the keys of the sample nodes are good, in seconds since 1970: in 2286. */
export const NODE_KEY_NOT_AFTER = 9_999_999_999

/** The ways in which nodes trust each other, with new keys: a shared key, and keys of their own with and without a credential. */
export function sampleSecretsKinds(): readonly SecretsKind[] {
  const [psk, otherPSK] = [randomBytes(32), randomBytes(32)]
  return [
    {
      name: 'a pre-shared key',
      secrets: () => pskSecrets({ key: psk }),
      strangers: () => pskSecrets({ key: otherPSK }),
    },
    nodeKeysKind('node keys with a credential in the record', 'pki'),
    nodeKeysKind('node keys known beforehand', 'pki-prepopulated'),
  ]
}

/** Secrets that sign nothing, as of the mode `null`. */
export function unsignedSecrets(): Secrets {
  return {
    mode: 'null',
    signer: () => ({ algorithm: 'none', keyID: '0000000000000000' }),
    verifier: () => ({ algorithm: 'none', notAfter: Number.MAX_SAFE_INTEGER }),
    sessionSecret: () => undefined,
    onChange: () => () => {},
  }
}

/** The same secrets, some of whose answers differ. */
export function secretsWith(secrets: Secrets, differences: Partial<Secrets>): Secrets {
  return {
    mode: secrets.mode,
    signer: use => secrets.signer(use),
    verifier: use => secrets.verifier(use),
    sessionSecret: keyID => secrets.sessionSecret(keyID),
    onChange: listener => secrets.onChange(listener),
    ...differences,
  }
}

interface NodeKey {
  readonly issuer: string
  readonly keyID: string
  readonly privateKey: KeyObject
  readonly credential: Uint8Array
}

function nodeKeysKind(name: string, mode: AuthMode): SecretsKind {
  const keyIDs = HOSTS.map(() => randomBytes(8).toString('hex'))
  const ours = HOSTS.map((issuer, index) => newNodeKey(issuer, keyIDs[index]!))
  const theirs = ours.map(({ issuer, keyID, credential }) => ({ ...newNodeKey(issuer, keyID), credential }))
  return { name, secrets: () => nodeSecrets(ours, mode), strangers: () => nodeSecrets(theirs, mode) }
}

function newNodeKey(issuer: string, keyID: string): NodeKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  // Any bytes may stand in a credential; those at the ends are the ones that get lost.
  return {
    issuer,
    keyID,
    privateKey,
    credential: Buffer.concat([Buffer.of(0), randomBytes(120), Buffer.of(0)]),
  }
}

function nodeSecrets(nodes: readonly NodeKey[], mode: AuthMode): Secrets {
  const travels = mode === 'pki'
  const nodeOf = (issuer: string) => nodes.find(node => node.issuer === issuer)
  return {
    mode,
    signer({ issuer }) {
      const node = nodeOf(issuer)
      if (!node) throw new TypeError(`issuer ${issuer}: expected one of ${HOSTS.join(', ')}`)
      const { keyID, privateKey, credential } = node
      return {
        algorithm: 'ES256',
        keyID,
        key: privateKey,
        ...(travels && { credential: credential.slice() }),
      }
    },
    verifier({ issuer, keyID, credential }) {
      const node = nodeOf(issuer)
      const isVouchedFor = travels
        ? credential !== undefined && Buffer.compare(node?.credential ?? Buffer.of(), credential) === 0
        : credential === undefined
      if (!node || node.keyID !== keyID || !isVouchedFor) return 'token'
      return publicVerifier(node.privateKey)
    },
    sessionSecret: () => undefined,
    onChange: () => () => {},
  }
}

function publicVerifier(privateKey: KeyObject): RecordVerifier {
  return { algorithm: 'ES256', key: createPublicKey(privateKey), notAfter: NODE_KEY_NOT_AFTER }
}
