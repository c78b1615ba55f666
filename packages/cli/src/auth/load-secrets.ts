import {
  type AuthMode,
  compactPKISecrets,
  nullSecrets,
  pkiSecrets,
  prepopulatedPKISecrets,
  pskSecrets,
  type Secrets,
  TriremeError,
} from '@trireme/core'
import { readTextFile } from '@trireme/policy-file/yaml'
import { type AuthConfig, type AuthMethod, type AuthMethods, methodOf } from './auth-config.js'
import { readPSK, readSecretFile, readTrustFile } from './read-secret-file.js'

/** What a node proves its identities with, as its files had it when they were read. */
export interface LoadedAuth {
  /** The first signs; all are accepted. */
  readonly secrets: readonly [Secrets, ...Secrets[]]
  readonly mode: AuthMode
  /** Of the key that signs: 16 hex digits, no secret. */
  readonly keyID: string
  /** What is accepted besides, in the order of the configuration: another pre-shared key is another `psk`. */
  readonly accepts: readonly AuthMode[]
}

const MODES: Readonly<Record<keyof AuthMethods, AuthMode>> = {
  psk: 'psk',
  pki: 'pki',
  prepopulated: 'pki-prepopulated',
  compact: 'compact-pki',
  null: 'null',
}

/**
 * Reads the files that a configuration names.
 * @throws TriremeError `ERR_CONFIG` for a file, `ERR_SECRET` for what one holds, or for a certificate that names another node.
 */
export async function loadSecrets(auth: AuthConfig, serverID: string): Promise<LoadedAuth> {
  const all = [auth, ...(auth.accept ?? [])].map((method, index) => ({
    method,
    what: `auth.${index === 0 ? '' : `accept[${index - 1}].`}${methodOf(method)}`,
  }))
  // All pre-shared keys are one set of secrets, whose first signs.
  const psks: Uint8Array[] = []
  for (const { method, what } of all)
    if ('psk' in method) psks.push(await readPSK(method.psk.file, `${what}.file`))
  const loaded = new Map<AuthMode, Secrets>()
  for (const { method, what } of all) {
    const mode = MODES[methodOf(method)]
    if (!loaded.has(mode)) loaded.set(mode, await secretsOf(method, { what, psks, serverID }))
  }
  const [sending, ...accepted] = [...loaded.values()] as [Secrets, ...Secrets[]]
  const [, ...accepts] = all.map(({ method }) => MODES[methodOf(method)])
  return { secrets: [sending, ...accepted], mode: sending.mode, keyID: keyIDOf(sending, serverID), accepts }
}

interface MethodContext {
  /** The method's key path in the configuration. */
  readonly what: string
  readonly psks: readonly Uint8Array[]
  readonly serverID: string
}

async function secretsOf(method: AuthMethod, { what, psks, serverID }: MethodContext): Promise<Secrets> {
  try {
    const secrets = 'psk' in method ? pskSecrets({ keys: psks }) : await vouchedSecrets(method, what)
    keyIDOf(secrets, serverID)
    return secrets
  } catch (error) {
    if (!(error instanceof TriremeError) || error.code !== 'ERR_SECRET') throw error
    throw new TriremeError('ERR_SECRET', `${what}: ${error.message}`, { cause: error })
  }
}

async function vouchedSecrets(
  method: Exclude<AuthMethod, { readonly psk: unknown }>,
  what: string,
): Promise<Secrets> {
  if ('null' in method) return nullSecrets(method.null)
  if ('compact' in method) {
    const { key, statement, ca } = method.compact
    const statementPEM = await readTextFile(statement, 'ERR_CONFIG')
    return compactPKISecrets({ ...(await keyAndCA({ key, ca }, what)), statementPEM })
  }
  if ('pki' in method) {
    const certPEM = await readTextFile(method.pki.cert, 'ERR_CONFIG')
    return pkiSecrets({ ...(await keyAndCA(method.pki, what)), certPEM })
  }
  const { cert, peers, ...files } = method.prepopulated
  const certPEM = await readTextFile(cert, 'ERR_CONFIG')
  const secrets = prepopulatedPKISecrets({ ...(await keyAndCA(files, what)), certPEM })
  for (const [host, file] of Object.entries(peers)) {
    secrets.publicKeyAdd(host, await readTrustFile(file, `${what}.peers.${host}`))
  }
  return secrets
}

async function keyAndCA(files: { readonly key: string; readonly ca: string }, what: string) {
  const keyPEM = (await readSecretFile(files.key, `${what}.key`)).toString('latin1')
  return { keyPEM, caCertPEM: await readTrustFile(files.ca, `${what}.ca`) }
}

/** @throws TriremeError `ERR_SECRET` where the key was issued to another node. */
function keyIDOf(secrets: Secrets, serverID: string): string {
  return secrets.signer({ issuer: serverID, encoding: 'binary' }).keyID
}
