import type { Secrets, TokenEngine } from '@trireme/core'
import type { Check, Describe, It, TokenEngineSubject } from './check.js'
import { checksOfBytes } from './checks-of-bytes.js'
import { checksOfClaims } from './checks-of-claims.js'
import { checksOfHandshake } from './checks-of-handshake.js'
import { checksOfSecrets } from './checks-of-secrets.js'
import { sampleSecretsKinds } from './sample-secrets.js'

export interface TestTokenEngineOptions {
  /**
   * Makes an engine over the given secrets: what a token package's factory gives, `setup: myTokens()`. It is called many
   * times; each engine stands for a node's own.
   */
  readonly setup: (components: { readonly secrets: Secrets }) => TokenEngine | Promise<TokenEngine>
  /** Default: the global one. */
  readonly describe?: Describe
  /** Default: the global one. */
  readonly it?: It
}

const CHECKS: readonly Check<TokenEngineSubject>[] = [
  ...checksOfClaims,
  ...checksOfBytes,
  ...checksOfSecrets,
  ...checksOfHandshake,
]

/**
 * Declares the tests that every token engine passes, once for each way in which nodes may trust each other. The secrets
 * are the suite's own: a pre-shared key (HS256), and node keys (ES256) with and without a credential of 122 bytes.
 * @throws TypeError where there is neither a `describe` and `it` among the options nor a global one.
 */
export function testTokenEngine(name: string, options: TestTokenEngineOptions): void {
  const { setup } = options
  const describe = options.describe ?? globalFunction<Describe>('describe')
  const it = options.it ?? globalFunction<It>('it')
  for (const kind of sampleSecretsKinds()) {
    const subject: TokenEngineSubject = { engine: secrets => setup({ secrets }), kind }
    describe(`token engine ${name} with ${kind.name}`, () => {
      for (const { title, run } of CHECKS) it(title, () => run(subject))
    })
  }
}

function globalFunction<Wanted>(name: 'describe' | 'it'): Wanted {
  const found: unknown = Reflect.get(globalThis, name)
  if (typeof found === 'function') return found as Wanted
  throw new TypeError(`testTokenEngine: there is no global ${name}; expected the option ${name}`)
}
