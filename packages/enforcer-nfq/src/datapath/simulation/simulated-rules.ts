import {
  CONNECTION_MARK_MASK,
  connectionMark,
  DECIDED_BIT,
  epochOfMark,
  type FilterQueue,
  KEY_MASK,
  keyField,
  stateOfMark,
} from '@trireme/core'
import type { TcpPacket } from '../../packet/tcp-packet.js'

/** A connection of conntrack. */
export interface ConntrackEntry {
  mark: number
  /** The flow key of the packet that made it. */
  readonly original: string
  isConfirmed: boolean
}

export interface RuleInput {
  readonly direction: 'in' | 'out'
  readonly packet: TcpPacket
  readonly entry: ConntrackEntry
  /** Whether it stays within the host. */
  readonly isLoopback: boolean
  /** The packet's mark. */
  readonly mark: number
  readonly filterQueue: FilterQueue
  /** The queue of the PU whose packet it is, undefined where it is nobody's. */
  readonly puQueue: number | undefined
  /** Whether the very first SYN shows the state that the entry had before its rule, or after it. */
  readonly showsStateBefore: boolean
}

export type RuleVerdict =
  | { readonly action: 'accept' | 'drop' }
  | { readonly action: 'queue'; readonly queue: number; readonly mark: number }

const ACCEPT: RuleVerdict = { action: 'accept' }
const DROP: RuleVerdict = { action: 'drop' }

/** What the kernel's rules decide alone: protocol.md's table of states, first match wins. */
export function applyRules(input: RuleInput): RuleVerdict {
  const { entry, mark, filterQueue, packet } = input
  if ((mark & KEY_MASK) >>> 0 === keyField(filterQueue.commands)) {
    entry.mark = (mark & CONNECTION_MARK_MASK) >>> 0
    return ACCEPT
  }
  if (stateOfMark(entry.mark) !== 'none') return withState(input)
  if (input.puQueue === undefined) return ACCEPT
  if (packet.isRst && !packet.hasOverlayOption) return ACCEPT
  const isReply = packet.flowKey() !== entry.original
  if (isOpeningSyn(packet)) return isReply ? DROP : trap(input, input.puQueue)
  if (packet.hasSyn || packet.hasOverlayOption) return DROP
  return { action: 'queue', queue: input.puQueue, mark: 0 }
}

function withState(input: RuleInput): RuleVerdict {
  const { direction, packet, entry, filterQueue, puQueue } = input
  const { epoch } = filterQueue.commands
  const isDecided = (entry.mark & DECIDED_BIT) !== 0
  const isPlain = !packet.hasOverlayOption
  if (isDecided && epochOfMark(entry.mark) === epoch && !packet.hasSyn && isPlain) return ACCEPT
  if (!isDecided && packet.isRst && isPlain) return ACCEPT
  const isReleased = direction === 'in' && !input.isLoopback && entry.mark === connectionMark('sent', epoch)
  const isReply = packet.flowKey() !== entry.original
  if (isReleased && isReply && !packet.hasSyn && !packet.isRst && isPlain) {
    entry.mark = connectionMark('auth', epoch)
    return ACCEPT
  }
  const before = entry.mark
  if (direction === 'out' && packet.hasSyn && (isOpeningSyn(packet) || isOfSocket(before, isReply)))
    entry.mark = connectionMark('handshake', epoch)
  if (isOpeningSyn(packet) && puQueue !== undefined) return trap(input, puQueue)
  return { action: 'queue', queue: filterQueue.flowQueue, mark: before }
}

/** Whether the state was given to one socket: that of a rule over addresses holds for the tuple, if it let the peer in. */
function isOfSocket(mark: number, isReply: boolean): boolean {
  return stateOfMark(mark) !== 'acl' || !isReply
}

function trap({ entry, filterQueue, showsStateBefore }: RuleInput, queue: number): RuleVerdict {
  const before = entry.mark
  if (stateOfMark(before) === 'none') entry.mark = connectionMark('handshake', filterQueue.commands.epoch)
  return { action: 'queue', queue, mark: showsStateBefore ? before : entry.mark }
}

/** What `--tcp-flags SYN,RST,ACK SYN` matches. */
function isOpeningSyn(packet: TcpPacket): boolean {
  return packet.hasSyn && !packet.hasAck && (packet.flags & 0x04) === 0
}
