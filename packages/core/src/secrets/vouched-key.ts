import type { KeyObject } from 'node:crypto'
import type { SecretFault } from './secret-fault.js'
import type { Validity } from './validity.js'

/** A node's public key for which an authority's signature stands. */
export interface VouchedKey {
  readonly serverID: string
  readonly publicKey: KeyObject
  /** 16 hex digits in lower case. */
  readonly keyID: string
  /** When it is good, by each of its chains. */
  readonly validities: readonly Validity[]
}

/** Checks a credential, a certificate or a statement, but for the clock. Must not keep the bytes, nor throw for what they say. */
export type Vouch = (credential: Uint8Array) => VouchedKey | SecretFault
