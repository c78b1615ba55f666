/**
 * The suites with which an author of a Trireme plugin proves his own.
 *
 * ```ts
 * import { describe, it } from 'node:test'
 * import { testTokenEngine } from '@trireme/conformance'
 * import { myTokens } from './my-tokens.js'
 *
 * testTokenEngine('mine', { describe, it, setup: myTokens() })
 * ```
 *
 * @module
 */

export type { Describe, It } from './check.js'
export { type TestTokenEngineOptions, testTokenEngine } from './test-token-engine.js'
