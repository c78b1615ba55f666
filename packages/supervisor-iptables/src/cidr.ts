import { isIPv4, isIPv6 } from 'node:net'
import type { Family } from './family.js'

/** A network as iptables takes it: an address literal, never a name that a resolver would be asked for. */
export interface CIDR {
  readonly family: Family
  readonly text: string
}

/** Reads `address/length` or a bare address of either family, without zone; `undefined` for anything else. */
export function parseCIDR(value: string): CIDR | undefined {
  const [, address = '', length] = /^([0-9A-Fa-f.:]+)(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(value) ?? []
  const family = familyOf(address)
  if (!family) return undefined
  const longest = family === 'IPv4' ? 32 : 128
  const bits = length === undefined ? longest : Number(length)
  return bits <= longest ? { family, text: `${address}/${bits}` } : undefined
}

function familyOf(address: string): Family | undefined {
  if (isIPv4(address)) return 'IPv4'
  return isIPv6(address) ? 'IPv6' : undefined
}
