import { isIPv4, isIPv6 } from 'node:net'
import { TriremeError } from './errors.js'

const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] as const

/**
 * The 16 bytes of an address; an IPv4 one in its mapped form, `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2).
 * @throws TriremeError `ERR_CONFIG` for anything but a plain IPv4 or IPv6 address, zones included.
 */
export function parseAddress(text: string): Uint8Array {
  if (isIPv4(text)) return Uint8Array.from([...MAPPED_PREFIX, ...text.split('.').map(Number)])
  if (isIPv6(text) && !text.includes('%')) return parseIPv6(text)
  throw new TriremeError(
    'ERR_CONFIG',
    `address ${JSON.stringify(text)}: expected an IPv4 or IPv6 address (192.0.2.7, 2001:db8::7)`,
  )
}

/**
 * The text of a 16-byte address: an IPv4-mapped one as a dotted quad, any other as RFC 5952 §4 prescribes (lower case,
 * no leading zeros, the first longest run of two or more zero groups shortened).
 */
export function formatAddress(address: Uint8Array): string {
  if (isMappedAddress(address)) return address.subarray(12).join('.')
  const groups = Array.from({ length: 8 }, (_, index) => {
    return ((address[index * 2]! << 8) | address[index * 2 + 1]!).toString(16)
  })
  const run = longestZeroRun(groups)
  if (run.length < 2) return groups.join(':')
  return `${groups.slice(0, run.start).join(':')}::${groups.slice(run.start + run.length).join(':')}`
}

/** Whether the 16 bytes are an IPv4 address in its mapped form. */
export function isMappedAddress(address: Uint8Array): boolean {
  for (let index = 0; index < MAPPED_PREFIX.length; index += 1) {
    if (address[index] !== MAPPED_PREFIX[index]) return false
  }
  return true
}

function parseIPv6(text: string): Uint8Array {
  const [head = '', tail] = text.split('::')
  const front = groupBytes(head)
  const back = groupBytes(tail ?? '')
  const bytes = new Uint8Array(16)
  bytes.set(front)
  bytes.set(back, 16 - back.length)
  return bytes
}

/** The bytes of groups between colons, the last of which may be a dotted quad. */
function groupBytes(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

function longestZeroRun(groups: readonly string[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let start = 0
  for (const [index, group] of groups.entries()) {
    if (group !== '0') start = index + 1
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start }
  }
  return best
}
