import { isMappedAddress } from './address.js'
import { type CIDR, parseCIDR } from './cidr.js'

/** A set of networks, read once. */
export interface CompiledNetworks {
  /** Whether one of the networks contains the address: 16 bytes, IPv4 in its mapped form. */
  contains(address: Uint8Array): boolean
}

/**
 * @throws TriremeError `ERR_CONFIG` for a text that is no CIDR.
 */
export function compileNetworks(networks: readonly string[]): CompiledNetworks {
  const trie = new NetworkTrie()
  for (const network of networks) trie.add(parseCIDR(network), 0)
  return { contains: address => trie.longest(address, always) !== undefined }
}

interface TrieNode {
  zero: TrieNode | undefined
  one: TrieNode | undefined
  /** Ascending. */
  readonly places: number[]
}

/** Numbers by network, one bit of the prefix a level; a root for each family. */
export class NetworkTrie {
  readonly #ipv4 = newNode()
  readonly #ipv6 = newNode()

  /** Files `place` under the network. Places are added in ascending order. */
  add(cidr: CIDR, place: number): void {
    let node = cidr.family === 'ipv4' ? this.#ipv4 : this.#ipv6
    for (let bit = firstBit(cidr.family === 'ipv4'); bit < cidr.prefixLength; bit += 1) {
      const side = isSet(cidr.bytes, bit) ? 'one' : 'zero'
      node[side] ??= newNode()
      node = node[side]
    }
    node.places.push(place)
  }

  /** Of the longest network that contains the address and holds a place which `isWanted` takes: the lowest such place. */
  longest(address: Uint8Array, isWanted: (place: number) => boolean): number | undefined {
    const isIPv4 = isMappedAddress(address)
    let node: TrieNode | undefined = isIPv4 ? this.#ipv4 : this.#ipv6
    let found: number | undefined
    for (let bit = firstBit(isIPv4); node !== undefined; bit += 1) {
      found = node.places.find(isWanted) ?? found
      node = isSet(address, bit) ? node.one : node.zero
    }
    return found
  }
}

function always(): boolean {
  return true
}

function newNode(): TrieNode {
  return { zero: undefined, one: undefined, places: [] }
}

/** The 96 bits before an IPv4 address are the same for all. */
function firstBit(isIPv4: boolean): number {
  return isIPv4 ? 96 : 0
}

/** False behind the last bit, where no node has a child. */
function isSet(bytes: Uint8Array, bit: number): boolean {
  return ((bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0
}
