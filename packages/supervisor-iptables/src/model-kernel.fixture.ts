import { compileNetworks, parseAddress } from '@trireme/core'
import type { AddressSets } from './address-sets.js'
import type { Layout } from './layout.js'
import type { Rule } from './rule.js'

/** A packet as the model's matches see it. */
export interface ModelPacket {
  readonly peer: string
  /** Which end of the packet the peer is. */
  readonly peerIs: 'source' | 'destination'
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'other'
  readonly sourcePort: number
  readonly destinationPort: number
  /** Whether it goes against the direction of the connection's first packet. */
  readonly isReply: boolean
}

/** How a packet left the rules, and the prefixes of the messages that they wrote. */
export interface ModelOutcome {
  /** The last chain entered, without the instance's prefix, or the target of the last rule. */
  readonly end: string
  readonly logs: readonly string[]
}

const DONE = ['RETURN', 'DROP', 'NFQUEUE']

/**
 * A small model of iptables: follows a packet that has neither marks nor a conntrack entry of a decided flow from a chain of the
 * mangle table. Knows the matches that PU chains are made of and throws for any other, so that none is passed over.
 */
export function followPacket(
  layout: Layout,
  sets: AddressSets,
  { chain, packet }: { readonly chain: string; readonly packet: ModelPacket },
): ModelOutcome {
  const logs: string[] = []
  let at = chain
  for (;;) {
    const rules = layout.mangle.chains.get(at)
    if (!rules) throw new Error(`no chain ${at}`)
    const next = firstEnd(rules, { packet, sets, logs })
    if (next === undefined) return { end: 'RETURN', logs }
    // What the shared chains do is the end of the story here.
    if (DONE.includes(next) || /-(ACL|REFUSE)$/.test(next))
      return { end: next.replace(/^TRI-\w+-/, ''), logs }
    at = next
  }
}

interface Walk {
  readonly packet: ModelPacket
  readonly sets: AddressSets
  readonly logs: string[]
}

/** The target of the first rule that ends the chain for the packet. */
function firstEnd(rules: readonly Rule[], walk: Walk): string | undefined {
  for (const rule of rules) {
    const at = rule.findIndex(token => token === '-j' || token === '-g')
    if (!matches(rule.slice(0, at), walk)) continue
    const target = rule[at + 1]!
    if (target === 'NFLOG') walk.logs.push(rule[rule.indexOf('--nflog-prefix') + 1]!)
    else if (target !== 'CONNMARK') return target
  }
  return undefined
}

function matches(tokens: Rule, walk: Walk): boolean {
  for (let at = 0; at < tokens.length; ) {
    const isNegated = tokens[at] === '!'
    if (isNegated) at += 1
    const option = tokens[at]!
    const taken = OPERANDS[option] ?? 1
    const operands = tokens.slice(at + 1, at + 1 + taken)
    if (holds(option, operands, walk) === isNegated) return false
    at += 1 + taken
  }
  return true
}

const OPERANDS: Readonly<Record<string, number>> = { '--match-set': 2, '--tcp-flags': 2 }

function holds(
  option: string,
  [first = '', second = '']: readonly string[],
  { packet, sets }: Walk,
): boolean {
  const contains = (networks: readonly string[]) =>
    compileNetworks(networks).contains(parseAddress(packet.peer))
  switch (option) {
    case '-m':
    case '--limit':
    case '--limit-burst':
      return true
    case '-s':
    case '-d':
      return (packet.peerIs === 'source') === (option === '-s') && contains([first])
    case '--match-set':
      return (packet.peerIs === 'source') === (second === 'src') && contains(sets.get(first)!)
    case '-p':
      return first === packet.protocol || (first === 'ipv6-icmp' && packet.protocol === 'icmp')
    case '--dport':
    case '--dports':
      return holdsPort(first, packet.destinationPort)
    case '--sport':
    case '--sports':
      return holdsPort(first, packet.sourcePort)
    // No packet has a mark.
    case '--mark':
      return false
    case '--ctdir':
      return (first === 'REPLY') === packet.isReply
    case '--ctstate':
      return first === 'NEW' && !packet.isReply
    case '--tcp-flags':
      return packet.protocol === 'tcp' && second === 'SYN'
    // None of the packets is neighbour discovery, from loopback, or carries an overlay.
    case '--icmpv6-type':
    case '--tcp-option':
    case '-i':
      return false
    default:
      throw new Error(`the model does not know ${option}`)
  }
}

function holdsPort(list: string, port: number): boolean {
  return list.split(',').some(range => {
    const [first, last = first] = range.split(':').map(Number)
    return first! <= port && port <= last!
  })
}
