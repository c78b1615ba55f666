import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { compactPKISecrets, formatPEM, pkiSecrets, STATEMENT_LABEL, signStatement } from '@trireme/core'
import { CommandFailure, EXIT } from '../failure.js'
import { type IssuingCA, readCA } from './issuing-ca.js'
import { writeKeyFiles } from './key-files.js'
import { mintNodeCertificate } from './mint-certificate.js'
import { validityFor } from './validity-for.js'

export interface NewNodeOptions {
  /** The CA's folder. */
  readonly ca: string
  /** The server ID. */
  readonly name: string
  readonly out: string
  readonly days: number
  readonly compact?: boolean
  readonly force?: boolean
}

/** As the daemon's configuration has it. */
const SERVER_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** `trireme keys node`: a key on P-256 and what the CA says of it. Answers with what to print. */
export async function newNode(options: NewNodeOptions): Promise<string> {
  const { name, out, days, compact = false, force = false } = options
  if (!SERVER_ID.test(name)) {
    const expected = 'a server ID: 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or a digit'
    throw new CommandFailure(EXIT.badInput, `--name ${JSON.stringify(name)}: expected ${expected}`)
  }
  const ca = await readCA(options.ca)
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keyPEM = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const order = { name, publicKey, ...validityFor(days, ca.notAfter) }
  const issue = compact ? issueStatement : issueCertificate
  const files = await issue(ca, order, keyPEM)
  await writeKeyFiles({ 'key.pem': keyPEM, ...files, 'ca.pem': ca.bundlePEM }, { folder: out, force })
  const names = ['key.pem', ...Object.keys(files), 'ca.pem'].map(file => join(out, file))
  return `${names.join(', ')}: for ${name} alone; good until ${order.notAfter.toISOString()}\n`
}

interface NodeOrder {
  readonly name: string
  readonly publicKey: KeyObject
  readonly notBefore: Date
  readonly notAfter: Date
}

/** What is issued must load: whatever is wrong with the CA shows here, and not when the node starts. */
async function issueCertificate(ca: IssuingCA, { name, ...order }: NodeOrder, keyPEM: string) {
  const certPEM = await mintNodeCertificate({ subject: name, signer: ca, ...order })
  pkiSecrets({ keyPEM, certPEM, caCertPEM: ca.bundlePEM })
  return { 'cert.pem': certPEM }
}

async function issueStatement(ca: IssuingCA, { name, publicKey, notAfter }: NodeOrder, keyPEM: string) {
  const statement = { serverID: name, publicKey, notAfter: notAfter.getTime() / 1000 }
  const statementPEM = formatPEM(STATEMENT_LABEL, signStatement(statement, ca.privateKey, ca.keyID))
  compactPKISecrets({ keyPEM, statementPEM, caCertPEM: ca.bundlePEM })
  return { 'statement.pem': statementPEM }
}
