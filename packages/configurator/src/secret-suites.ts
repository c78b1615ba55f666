import { type SecretSuite, type Secrets, type TokenEngine, TriremeError } from '@trireme/core'
import { isPluginMissing, loadPlugin } from './load-plugin.js'

/** How identities are encoded. */
export type Tokens = 'binary' | 'jwt'

/** The secrets, each with the engine that writes identities in that encoding. */
export async function secretSuites(
  secrets: readonly Secrets[],
  tokens: Tokens | undefined,
): Promise<readonly [SecretSuite, ...SecretSuite[]]> {
  const newEngine = await newTokenEngine(tokens)
  const [first, ...others] = secrets.map(each => ({ secrets: each, tokenEngine: newEngine(each) }))
  if (!first) throw new TriremeError('ERR_SECRET', 'secrets: an empty list, expected at least one')
  return [first, ...others]
}

/** Loads the engine that writes identities in that encoding. */
export async function newTokenEngine(tokens: Tokens | undefined): Promise<(secrets: Secrets) => TokenEngine> {
  if (tokens !== undefined) return tokens === 'jwt' ? jwtEngine() : binaryEngine()
  try {
    return await binaryEngine()
  } catch (error) {
    if (!isPluginMissing(error)) throw error
    return jwtEngine().catch(other => {
      throw isPluginMissing(other) ? error : other
    })
  }
}

async function binaryEngine(): Promise<(secrets: Secrets) => TokenEngine> {
  const { binaryTokens } = await loadPlugin('@trireme/tokens-binary', () => import('@trireme/tokens-binary'))
  return secrets => binaryTokens()({ secrets })
}

async function jwtEngine(): Promise<(secrets: Secrets) => TokenEngine> {
  const { jwtTokens } = await loadPlugin('@trireme/tokens-jwt', () => import('@trireme/tokens-jwt'))
  return secrets => jwtTokens()({ secrets })
}
