/**
 * The private fields of the connection mark and of the packet mark, and the numbers of the queues: what supervisor and
 * enforcer share. Foreign bits of either mark are never changed.
 *
 * ```text
 *           31    27 26   23 22   20 19              0
 *          +--------+-------+-------+----------------+
 * ctmark   | not ours| epoch | state |    not ours    |   CONNECTION_MARK_MASK 0x07f00000
 *          +--------+-------+-------+----------------+
 * mark     |  key   | epoch | state |    not ours    |   PACKET_MARK_MASK     0xfff00000
 *          +--------+-------+-------+----------------+
 * ```
 *
 * A packet on its way to the queue carries the connection's state and epoch and key 0. A packet on its way back with the
 * start's random key is a command: the rules copy its state and epoch to the connection (state `REFUSE`: answer with a
 * reset) and clear the field. Both raw hooks clear the field first, so that no sender can issue commands.
 */

/** What the kernel knows of a connection, in its mark. */
export type FlowState = 'none' | 'handshake' | 'sent' | 'auth' | 'acl'

const STATE_SHIFT = 20
const EPOCH_SHIFT = 23
const KEY_SHIFT = 27

export const CONNECTION_MARK_MASK = 0x07f00000
export const STATE_MASK = 0x00700000
/** Set in the states that are decided: `auth` and `acl`. */
export const DECIDED_BIT = 0x00400000
export const PACKET_MARK_MASK = 0xfff00000
export const KEY_MASK = 0xf8000000
/** Epochs run from 0 to 15 and then start again. */
export const EPOCH_COUNT = 16
/** Keys run from 1 to 31; 0 means "no command". */
export const KEY_COUNT = 32

const REFUSE_CODE = 7
const HOSTS_OWN_CODE = 6
const STATE_CODES: Readonly<Record<FlowState, number>> = { none: 0, handshake: 1, sent: 2, auth: 4, acl: 5 }
const STATES_BY_CODE: readonly (FlowState | undefined)[] = [
  'none',
  'handshake',
  'sent',
  undefined,
  'auth',
  'acl',
]

/** The connection mark's field for a state in an epoch. */
export function connectionMark(state: FlowState, epoch: number): number {
  return ((STATE_CODES[state] << STATE_SHIFT) | (epoch << EPOCH_SHIFT)) >>> 0
}

/** The state alone, whatever the epoch: to be compared under `STATE_MASK`. */
export function stateMark(state: FlowState): number {
  return STATE_CODES[state] << STATE_SHIFT
}

/** The bits of a connection mark that differ between two epochs. */
export function epochDifference(a: number, b: number): number {
  return (a ^ b) << EPOCH_SHIFT
}

/** The state that a mark's field holds; a code that is never written reads as `none`. */
export function stateOfMark(mark: number): FlowState {
  return STATES_BY_CODE[(mark & STATE_MASK) >>> STATE_SHIFT] ?? 'none'
}

export function epochOfMark(mark: number): number {
  return (mark >>> EPOCH_SHIFT) & (EPOCH_COUNT - 1)
}

/** The part of a packet mark that belongs to other programs. */
export function foreignMark(mark: number): number {
  return (mark & ~PACKET_MARK_MASK) >>> 0
}

/** What the kernel needs to know of the enforcer's commands in packet marks; the key is random per start. */
export interface MarkCommands {
  readonly key: number
  readonly epoch: number
}

/** The packet mark of a verdict that puts the connection into `state`. */
export function setStateCommand(commands: MarkCommands, state: FlowState): number {
  return (keyField(commands) | connectionMark(state, commands.epoch)) >>> 0
}

/** The packet mark of a verdict that answers the packet with a TCP reset. */
export function refuseCommand(commands: MarkCommands): number {
  return (keyField(commands) | (REFUSE_CODE << STATE_SHIFT)) >>> 0
}

/**
 * The packet mark of what the host itself sends to a PU behind an interface, while rules look at it: no command, and no connection's
 * state.
 */
export const HOSTS_OWN_MARK = HOSTS_OWN_CODE << STATE_SHIFT

/** The packet mark's key field alone: what the rules look for. */
export function keyField(commands: MarkCommands): number {
  return (commands.key << KEY_SHIFT) >>> 0
}

/**
 * Where the rules send packets. The queue number tells the PU, the packet mark tells the state.
 * A block of its own per start: rules that an earlier process left behind point at queues that nobody has bound, and drop.
 */
export interface FilterQueue {
  /** Packets of flows that have a state and of no PU in particular. Also the NFLOG group of what the kernel decides alone. */
  readonly flowQueue: number
  readonly commands: MarkCommands
}

/** Queue numbers of one start: the flow queue, then one queue per PU. */
export const QUEUE_BLOCK_SIZE = 4096
/** Blocks 1 to 15: block 0 is left to other programs. */
export const QUEUE_BLOCK_COUNT = 15
