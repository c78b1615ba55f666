import type { PortRange } from '@trireme/core'

/**
 * Reads `8080` or `8000-8100`.
 * @throws RangeError where it is neither, or a port is not 1 to 65535.
 */
export function parsePortRange(text: string): PortRange {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []
  const range = { first: Number(first), last: Number(last) }
  if (range.first >= 1 && range.last <= 65_535 && range.first <= range.last) return range
  throw new RangeError(
    `port ${JSON.stringify(text)}: expected a port from 1 to 65535 or a range such as 8000-8100`,
  )
}

/** `8080` or `8000-8100`. */
export function formatPortRange({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}-${last}`
}
