import type { PortRange } from '@trireme/core'
import { z } from 'zod'

const EXPECTED = 'a port from 1 to 65535 or a range such as 8000-8100'

/** A port (`8080`) or a range with both ends included (`8000-8100`). */
export const portSchema = z.string({ error: EXPECTED }).transform((text, context): PortRange => {
  const range = portRange(text)
  if (range) return range
  context.issues.push({ code: 'custom', input: text, message: EXPECTED })
  return z.NEVER
})

function portRange(text: string): PortRange | undefined {
  const [, first, last = first] = /^([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?$/.exec(text) ?? []
  const range = { first: Number(first), last: Number(last) }
  return range.first <= range.last && range.last <= 65_535 ? range : undefined
}
