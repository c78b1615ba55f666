import { TriremeError } from '../errors.js'

/** Why a key, a certificate or a statement is refused. */
export interface SecretFault {
  /** What the packet's sender is refused with: `clock` where time alone is wrong. */
  readonly reason: 'token' | 'clock'
  /** The rest of a sentence that begins with the thing's name: `is not yet valid, until …`. */
  readonly problem: string
}

/** Nothing that time could mend. */
export function refuseToken(problem: string): SecretFault {
  return { reason: 'token', problem }
}

/** Whether this is why not, instead of what was asked for. */
export function isFault<T extends object>(answer: T | SecretFault): answer is SecretFault {
  return 'problem' in answer
}

/** What a caller gets for what he passed as `where`. Never quotes a key. */
export function secretError(where: string, problem: string, cause?: unknown): TriremeError {
  return new TriremeError('ERR_SECRET', `${where}: ${problem}`, cause === undefined ? undefined : { cause })
}
