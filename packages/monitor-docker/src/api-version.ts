import { TriremeError } from '@trireme/core'

/** The oldest API that is spoken: Docker 1.12, of 2016. */
export const MIN_API_VERSION = '1.24'
/** The newest API that was tried. An engine that speaks a newer one still answers to this, or to its own oldest. */
export const MAX_API_VERSION = '1.51'

/**
 * The version to speak with an engine that speaks from `oldest` to `newest`.
 * @throws TriremeError `ERR_CONFIG` for an engine that is too old.
 */
export function negotiateVersion(newest: string, oldest = MIN_API_VERSION): string {
  if (compare(newest, MIN_API_VERSION) < 0) {
    throw new TriremeError(
      'ERR_CONFIG',
      `engine: it speaks API ${newest} at most, expected ${MIN_API_VERSION} (Docker 1.12) or newer`,
    )
  }
  if (compare(oldest, MAX_API_VERSION) > 0) return oldest
  return compare(newest, MAX_API_VERSION) > 0 ? MAX_API_VERSION : newest
}

function compare(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number)
  const [majorB = 0, minorB = 0] = b.split('.').map(Number)
  return majorA - majorB || minorA - minorB
}
