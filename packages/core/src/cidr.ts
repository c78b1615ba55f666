import { isIP } from 'node:net'
import { formatAddress, isMappedAddress, parseAddress } from './address.js'
import { TriremeError } from './errors.js'

const MAPPED_BITS = 96

/** A network. IPv6 networks never contain IPv4 addresses: the kernel keeps the families apart, and so do we. */
export interface CIDR {
  readonly family: 'ipv4' | 'ipv6'
  /** 16 bytes, an IPv4 network in its mapped form; host bits are zero. */
  readonly bytes: Uint8Array
  /** Of 128 bits: 96 more than an IPv4 network's own. */
  readonly prefixLength: number
}

/**
 * Reads `address/length`. Nothing is guessed: a bare address, host bits that are set and an IPv4-mapped network are
 * refused with the text that was probably meant.
 * @throws TriremeError `ERR_CONFIG`.
 */
export function parseCIDR(text: string): CIDR {
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  const isIPv4 = isIP(address) === 4
  if (isIP(address) === 0 || address.includes('%')) throw cidrError(text, EXPECTED)
  const maxLength = isIPv4 ? 32 : 128
  if (slash < 0) throw cidrError(text, `expected a prefix length: ${text}/${maxLength}`)
  const ownLength = readLength(text.slice(slash + 1), maxLength)
  if (ownLength === undefined) throw cidrError(text, `expected a prefix length of 0 to ${maxLength}`)
  const cidr: CIDR = {
    family: isIPv4 ? 'ipv4' : 'ipv6',
    bytes: parseAddress(address),
    prefixLength: isIPv4 ? MAPPED_BITS + ownLength : ownLength,
  }
  checkNetwork(text, cidr)
  return cidr
}

/** The network's one spelling: lower case, shortened, the prefix length of its own family. */
export function formatCIDR({ family, bytes, prefixLength }: CIDR): string {
  return `${formatAddress(bytes)}/${family === 'ipv4' ? prefixLength - MAPPED_BITS : prefixLength}`
}

const EXPECTED = 'expected an IPv4 or IPv6 network (192.0.2.0/24, 2001:db8::/32)'

function checkNetwork(text: string, cidr: CIDR): void {
  const { family, prefixLength } = cidr
  const network = cidr.bytes.map((byte, index) => byte & maskByte(prefixLength - index * 8))
  if (family === 'ipv6' && prefixLength >= MAPPED_BITS && isMappedAddress(network)) {
    throw cidrError(
      text,
      `expected an IPv4 network: ${formatCIDR({ ...cidr, family: 'ipv4', bytes: network })}`,
    )
  }
  if (network.some((byte, index) => byte !== cidr.bytes[index])) {
    throw cidrError(text, `expected no bits behind the prefix: ${formatCIDR({ ...cidr, bytes: network })}`)
  }
}

/** The mask of a byte of which `bits`, from none to more than all, belong to the prefix. */
function maskByte(bits: number): number {
  return bits >= 8 ? 0xff : bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff
}

function readLength(text: string, maxLength: number): number | undefined {
  if (!/^(0|[1-9]\d{0,2})$/.test(text)) return undefined
  const length = Number(text)
  return length <= maxLength ? length : undefined
}

function cidrError(text: string, expectation: string): TriremeError {
  return new TriremeError('ERR_CONFIG', `network ${JSON.stringify(text)}: ${expectation}`)
}
