import { isIPv4, isIPv6 } from 'node:net'

/**
 * The 4 or 16 bytes of an IPv4 or IPv6 address in text. Throws `TypeError` for anything else, zones included.
 */
export function addressBytes(text: string): Uint8Array {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number)
  if (!isIPv6(text) || text.includes('%')) throw new TypeError(`address: ${text} is neither IPv4 nor IPv6`)
  const [head = '', tail] = text.split('::')
  const front = groupBytes(head)
  if (tail === undefined) return Uint8Array.from(front)
  const back = groupBytes(tail)
  const gap = new Array<number>(16 - front.length - back.length).fill(0)
  return Uint8Array.from([...front, ...gap, ...back])
}

function groupBytes(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >>> 8, value & 0xff]
  })
}
