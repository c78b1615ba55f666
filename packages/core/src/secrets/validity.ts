import { CLOCK_LEEWAY_S } from '../handshake/record-verifier.js'

/** When something is good, both ends included: seconds since 1970. */
export interface Validity {
  readonly notBefore: number
  readonly notAfter: number
}

/** When both are good; a validity that never holds where their times do not meet. */
export function intersection(a: Validity, b: Validity): Validity {
  return { notBefore: Math.max(a.notBefore, b.notBefore), notAfter: Math.min(a.notAfter, b.notAfter) }
}

/** Of the validities that hold now, the one that holds longest. What begins by a clock a little ahead of ours has begun. */
export function validityAt(validities: readonly Validity[], nowMs: number): Validity | undefined {
  const now = nowMs / 1000
  return validities
    .filter(
      ({ notBefore, notAfter }) =>
        notBefore <= notAfter && notBefore - CLOCK_LEEWAY_S <= now && now <= notAfter,
    )
    .reduce<Validity | undefined>(
      (best, each) => (best && best.notAfter >= each.notAfter ? best : each),
      undefined,
    )
}

/** Why none of them holds now, for people. */
export function validityProblem(validities: readonly Validity[], nowMs: number): string {
  const coming = validities.filter(
    ({ notBefore, notAfter }) => notBefore <= notAfter && notBefore * 1000 > nowMs,
  )
  const time = (seconds: number) => new Date(seconds * 1000).toISOString()
  if (coming.length > 0) {
    return `is not yet valid: it, or a CA certificate above it, begins at ${time(Math.min(...coming.map(each => each.notBefore)))}`
  }
  return `has expired: it, or a CA certificate above it, ended at ${time(Math.max(...validities.map(each => each.notAfter)))}`
}
