/** The address families, each with its own programs and its own rules. */
export type Family = 'IPv4' | 'IPv6'

export const FAMILIES: readonly Family[] = ['IPv4', 'IPv6']
