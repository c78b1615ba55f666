import { readUint16 } from './byte-order.js'

/**
 * The text of a 16-byte address: an IPv4-mapped one as a dotted quad, any other as RFC 5952 §4 prescribes
 * (lower case, no leading zeros, the first longest run of two or more zero groups shortened).
 */
export function addressText(address: Uint8Array): string {
  if (isMappedAddress(address)) return `${address[12]}.${address[13]}.${address[14]}.${address[15]}`
  const groups = Array.from({ length: 8 }, (_, index) => readUint16(address, index * 2))
  const run = longestZeroRun(groups)
  const text = (part: readonly number[]) => part.map(group => group.toString(16)).join(':')
  if (run.length < 2) return text(groups)
  return `${text(groups.slice(0, run.start))}::${text(groups.slice(run.start + run.length))}`
}

/** Whether the 16 bytes are an IPv4 address in its mapped form, ::ffff:a.b.c.d (RFC 4291 §2.5.5.2). */
export function isMappedAddress(address: Uint8Array): boolean {
  for (let index = 0; index < 10; index += 1) if (address[index] !== 0) return false
  return address[10] === 0xff && address[11] === 0xff
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let start = 0
  for (let index = 0; index < groups.length; index += 1) {
    if (groups[index] !== 0) start = index + 1
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start }
  }
  return best
}
