import { sha256 } from '../handshake/key-schedule.js'
import { TwoGenerationMap } from '../handshake/two-generation-map.js'

import { isFault, type SecretFault } from './secret-fault.js'
import { validityAt, validityProblem } from './validity.js'
import type { Vouch, VouchedKey } from './vouched-key.js'

const CACHED_CREDENTIALS = 4096

/** A vouched key, and until when it is good by the chain that holds longest. */
export interface GoodKey extends VouchedKey {
  /** Seconds since 1970. */
  readonly notAfter: number
}

/**
 * Credentials that were checked against one set of authorities, remembered under SHA-256 of all their bytes: good and refused
 * ones apart, so that a flood of bad ones forgets no good one. Time is checked at every use. Made anew when an authority changes.
 */
export class CheckedCredentials {
  readonly #vouch: Vouch
  readonly #now: () => number
  readonly #good = new TwoGenerationMap<string, VouchedKey>(CACHED_CREDENTIALS)
  readonly #refused = new TwoGenerationMap<string, SecretFault>(CACHED_CREDENTIALS)
  /** Signatures of authorities that were looked at. */
  coldChecks = 0

  /** @param now milliseconds since 1970. */
  constructor(vouch: Vouch, now: () => number) {
    this.#vouch = vouch
    this.#now = now
  }

  /** The key in the credential, or why it is not good now. */
  check(credential: Uint8Array): GoodKey | SecretFault {
    const hash = sha256(credential).toString('latin1')
    const answer = this.#good.get(hash) ?? this.#refused.get(hash) ?? this.#checkCold(hash, credential)
    if (isFault(answer)) return answer
    const validity = validityAt(answer.validities, this.#now())
    if (!validity) return { reason: 'clock', problem: validityProblem(answer.validities, this.#now()) }
    return { ...answer, notAfter: validity.notAfter }
  }

  #checkCold(hash: string, credential: Uint8Array): VouchedKey | SecretFault {
    this.coldChecks++
    const answer = this.#vouch(credential)
    if (isFault(answer)) this.#refused.set(hash, answer)
    else this.#good.set(hash, answer)
    return answer
  }
}
