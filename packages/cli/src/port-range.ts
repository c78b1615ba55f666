import type { PortRange } from '@trireme/core'

/**
 * Passes `8080`, `8000-8100`, and `auto` for the ports that are found.
 * @throws RangeError where it is none of these, or a port is not 1 to 65535.
 */
export function assertPort(text: string): void {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []
  const isRange = Number(first) >= 1 && Number(last) <= 65_535 && Number(first) <= Number(last)
  if (isRange || text === 'auto') return
  throw new RangeError(
    `port ${JSON.stringify(text)}: expected a port from 1 to 65535, a range such as 8000-8100, or auto`,
  )
}

/** `8080` or `8000-8100`. */
export function formatPortRange({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}-${last}`
}
