/** What reads bytes from the network: it must neither throw nor take long, whatever they are. */
export interface Target {
  readonly name: string
  /** Well-formed inputs; the cases are these with changes. */
  readonly seeds: readonly Uint8Array[]
  /** Throws or rejects where something does not hold. */
  run(bytes: Uint8Array): void | Promise<void>
}
