import { formatCIDR, parseCIDR, TriremeError } from '@trireme/core'
import { z } from 'zod'

const EXPECTED = 'an IPv4 or IPv6 network such as 192.0.2.0/24'

/** A CIDR of either family, in its one spelling (`parseCIDR`, `formatCIDR`). */
export const networkSchema = z.string({ error: EXPECTED }).transform((text, context): string => {
  try {
    return formatCIDR(parseCIDR(text))
  } catch (error) {
    if (!(error instanceof TriremeError)) throw error
    const message = error.message.split(': expected ').at(-1) ?? EXPECTED
    context.issues.push({ code: 'custom', input: text, message })
    return z.NEVER
  }
})
