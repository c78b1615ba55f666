import type { Secrets, TokenEngine } from '@trireme/core'

/** What a suite calls for every group of checks and for every check. Those of vitest, Jest, Mocha and node:test fit. */
export type Describe = (name: string, body: () => void) => unknown
export type It = (name: string, body: () => Promise<void>) => unknown

/** One thing that holds for every conforming plugin; `run` rejects with an `AssertionError` that says what did not. */
export interface Check<Subject> {
  readonly title: string
  readonly run: (subject: Subject) => Promise<void>
}

/** A token engine under test, and the secrets that it is to work with. */
export interface TokenEngineSubject {
  /** A new engine over these secrets. */
  readonly engine: (secrets: Secrets) => TokenEngine | Promise<TokenEngine>
  readonly kind: SecretsKind
}

/** One way in which nodes trust each other. */
export interface SecretsKind {
  readonly name: string
  /** The same trust domain at each call, in another object: what another node has. */
  readonly secrets: () => Secrets
  /** Another trust domain of the same kind, with the same key IDs where they are not derived. */
  readonly strangers: () => Secrets
}
