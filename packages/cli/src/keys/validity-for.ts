const DAY_MS = 86_400_000
/** A peer whose clock is behind must not find the certificate too young. */
const BACKDATED_MS = 300_000

/** From a little before now to `days` from now, in whole seconds, but no longer than `limit`. */
export function validityFor(
  days: number,
  limit?: Date,
): { readonly notBefore: Date; readonly notAfter: Date } {
  const now = Math.floor(Date.now() / 1000) * 1000
  const end = now + days * DAY_MS
  return {
    notBefore: new Date(now - BACKDATED_MS),
    notAfter: new Date(Math.min(end, limit?.getTime() ?? end)),
  }
}
