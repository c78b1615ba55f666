import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import type { RecordSigner, RecordUse } from '../plugin.js'
import type { CheckedCredentials, GoodKey } from './checked-credentials.js'
import { p256Fault } from './p256-key.js'
import { pemBlocks } from './pem.js'
import { isFault, secretError } from './secret-fault.js'

/** What a node signs its records with. */
export interface NodeKey {
  readonly privateKey: KeyObject
  /** The certificate or statement, as it travels. */
  readonly credential: Uint8Array
  readonly vouched: GoodKey
}

export interface NodeKeyOptions {
  readonly keyPEM: string
  readonly credential: Uint8Array
  readonly checked: CheckedCredentials
  /** How errors call the key and the credential: `pki: keyPEM`, `pki: certPEM`. */
  readonly names: { readonly key: string; readonly credential: string }
}

/**
 * The node's own key with the credential that vouches for it, both good now.
 * @throws TriremeError `ERR_SECRET` where either is not, or where they do not belong together. Never quotes the key.
 */
export function loadNodeKey({ keyPEM, credential, checked, names }: NodeKeyOptions): NodeKey {
  const privateKey = readPrivateKey(keyPEM, names.key)
  const vouched = checked.check(credential)
  if (isFault(vouched)) throw secretError(names.credential, vouched.problem)
  if (!createPublicKey(privateKey).equals(vouched.publicKey)) {
    const holder = JSON.stringify(vouched.serverID)
    throw secretError(names.key, `is not the key for which ${names.credential} (of ${holder}) was issued`)
  }
  return { privateKey, credential, vouched }
}

/** @throws TriremeError `ERR_SECRET` where the records' issuer is not the one for whom the key was vouched. */
export function signWith(
  { privateKey, vouched }: NodeKey,
  { issuer }: RecordUse,
): RecordSigner & { key: KeyObject } {
  if (issuer === vouched.serverID) return { algorithm: 'ES256', keyID: vouched.keyID, key: privateKey }
  const names = [vouched.serverID, issuer].map(name => JSON.stringify(name))
  throw secretError('secrets', `the node's key was issued to ${names[0]}, and this node is ${names[1]}`)
}

/**
 * A node keeps its name when its key is replaced: its PUs' records would find no signer once those of today have ended.
 * @throws TriremeError `ERR_SECRET` where the new key was issued to another node.
 */
export function checkSameNode(now: NodeKey, next: NodeKey): void {
  if (now.vouched.serverID === next.vouched.serverID) return
  const names = [next, now].map(({ vouched }) => JSON.stringify(vouched.serverID))
  throw secretError('replace', `the new key was issued to ${names[0]}, expected ${names[1]}, as before`)
}

/** The text's one block of this label, from its first to its last line of dashes. */
export function readOneBlock(text: string, label: string, where: string): Uint8Array {
  if (typeof text !== 'string') throw secretError(where, `is of type ${typeof text}, expected PEM text`)
  const [block, ...others] = pemBlocks(text)
  if (block?.label === label && others.length === 0) return block.der
  const found = [block, ...others].flatMap(each => each?.label ?? []).join(', ') || 'no PEM'
  throw secretError(where, `holds ${found}, expected one ${label}`)
}

function readPrivateKey(keyPEM: string, where: string): KeyObject {
  if (typeof keyPEM !== 'string') throw secretError(where, `is of type ${typeof keyPEM}, expected PEM text`)
  const [block, ...others] = pemBlocks(keyPEM).filter(({ label }) => label.endsWith('PRIVATE KEY'))
  if (!block || others.length > 0)
    throw secretError(where, 'holds no private key or several, expected one in PEM')
  if (block.label.startsWith('ENCRYPTED') || block.text.includes('ENCRYPTED')) {
    throw secretError(where, 'is encrypted, expected a private key in the clear')
  }
  const key = parsePrivateKey(block.text, where)
  const problem = p256Fault(createPublicKey(key))
  if (problem) throw secretError(where, problem)
  return key
}

function parsePrivateKey(text: string, where: string): KeyObject {
  try {
    return createPrivateKey(text)
  } catch (cause) {
    throw secretError(where, 'cannot be read, expected a private key in PEM', cause)
  }
}
