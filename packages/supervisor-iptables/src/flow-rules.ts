import {
  CONNECTION_MARK_MASK,
  connectionMark,
  DECIDED_BIT,
  type FilterQueue,
  HOSTS_OWN_MARK,
  KEY_MASK,
  keyField,
  PACKET_MARK_MASK,
  refuseCommand,
  STATE_MASK,
} from '@trireme/core'
import type { ChainNames } from './chain-names.js'
import type { Direction } from './direction.js'
import type { Family } from './family.js'
import { logTo } from './outcome-rules.js'
import { hex, masked, type Rule, rule } from './rule.js'

const EPOCH_MASK = CONNECTION_MARK_MASK & ~STATE_MASK

/** A flow that has none of our states. Matches no packet that conntrack does not know. */
export const HAS_NO_STATE: Rule = rule`-m connmark --mark ${masked(0, STATE_MASK)}`
export const HAS_STATE: Rule = rule`-m connmark ! --mark ${masked(0, STATE_MASK)}`

/** Option kind 254 is the overlay's (RFC 6994). */
export const HAS_OVERLAY_OPTION: Rule = rule`--tcp-option 254`
export const HAS_NO_OVERLAY_OPTION: Rule = rule`! --tcp-option 254`

/** A TCP reset that no overlay claims: it always passes, or ECONNREFUSED would become a timeout. */
export const PLAIN_RESET: Rule = rule`-p tcp -m tcp --tcp-flags SYN,RST RST ${HAS_NO_OVERLAY_OPTION}`

/** The first packet of a connection. */
export const OPENING_SYN: Rule = rule`-p tcp -m tcp --tcp-flags SYN,RST,ACK SYN`

const HAS_SYN: Rule = rule`-p tcp -m tcp --tcp-flags SYN SYN`

/** Neither AUTH nor ACL. */
const UNDECIDED: Rule = rule`-m connmark --mark ${masked(0, DECIDED_BIT)}`

/** Puts the flow into a state of the current epoch. */
export function setState(state: 'handshake' | 'auth' | 'acl', { commands }: FilterQueue): Rule {
  return rule`-j CONNMARK --set-xmark ${masked(connectionMark(state, commands.epoch), CONNECTION_MARK_MASK)}`
}

/** Shows the flow's state to the queue in the packet's mark, and hands the packet over: never with bypass. */
export function queueTo(queueNumber: number): readonly [showState: Rule, queue: Rule] {
  return [
    rule`-j CONNMARK --restore-mark --nfmask ${hex(PACKET_MARK_MASK)} --ctmask ${hex(CONNECTION_MARK_MASK)}`,
    rule`-j NFQUEUE --queue-num ${queueNumber}`,
  ]
}

/** A flow that a rule over addresses decided in the current epoch. */
export function isACLFlow({ commands }: FilterQueue): Rule {
  return rule`-m connmark --mark ${masked(connectionMark('acl', commands.epoch), CONNECTION_MARK_MASK)}`
}

/** A packet that comes back from the queue with a command for the flow's mark. */
export function isCommand({ commands }: FilterQueue): Rule {
  return rule`-m mark --mark ${masked(keyField(commands), KEY_MASK)}`
}

/** The chains that every PU's rules share, but for dispatch. */
export function sharedChains(
  names: ChainNames,
  filterQueue: FilterQueue,
  hasLinks: boolean,
): ReadonlyMap<string, readonly Rule[]> {
  return new Map([
    [names.set, commandRules()],
    [names.authorize, [setState('auth', filterQueue)]],
    [names.acl, aclRules(filterQueue)],
    [
      names.refuse,
      [
        ...(hasLinks ? [rule`${IS_HOSTS_OWN} -j DROP`] : []),
        rule`-j MARK --set-xmark ${masked(refuseCommand(filterQueue.commands), PACKET_MARK_MASK)}`,
        // To the next table at once: a later rule of others might replace the mark.
        rule`-j ACCEPT`,
      ],
    ],
    [names.flowIn, flowRules(names, filterQueue, hasLinks ? 'in-beside-links' : 'in')],
    [names.flowOut, flowRules(names, filterQueue, 'out')],
  ])
}

/** A sender's own value in the private field would be a command: nobody's gets past the raw table. */
export function clearRules(): readonly Rule[] {
  return [rule`-m mark ! --mark ${masked(0, PACKET_MARK_MASK)} ${CLEAR_MARK}`]
}

/** Answers what was refused: a reset for TCP, for UDP what a closed port says. */
export function rejectRules(filterQueue: FilterQueue, family: Family): readonly Rule[] {
  const refused = isRefused(filterQueue)
  const closed = family === 'IPv4' ? 'icmp-port-unreachable' : 'icmp6-port-unreachable'
  return [
    rule`-p tcp ${refused} -j REJECT --reject-with tcp-reset`,
    rule`-p udp ${refused} -j REJECT --reject-with ${closed}`,
  ]
}

/** What was refused and is still under way, whatever its protocol. */
export function dropRules(filterQueue: FilterQueue): readonly Rule[] {
  return [rule`${isRefused(filterQueue)} -j DROP`]
}

/** A packet that is to be answered as refused. */
export function isRefused({ commands }: FilterQueue): Rule {
  return rule`-m mark --mark ${masked(refuseCommand(commands), PACKET_MARK_MASK)}`
}

/** On this host's own packets in POSTROUTING, where nothing can be answered, the private field holds this while rules look at them. */
const HOSTS_OWN = masked(HOSTS_OWN_MARK, PACKET_MARK_MASK)
const IS_HOSTS_OWN: Rule = rule`-m mark --mark ${HOSTS_OWN}`

/** Has `chain` look at a packet of this host's own. A command on it stays what it is. */
export function askOnHostsOwn(chain: string): readonly Rule[] {
  return [
    rule`-m mark --mark ${masked(0, KEY_MASK)} -j MARK --set-xmark ${HOSTS_OWN}`,
    rule`-j ${chain}`,
    rule`${IS_HOSTS_OWN} ${CLEAR_MARK}`,
  ]
}

const CLEAR_MARK = rule`-j MARK --set-xmark ${masked(0, PACKET_MARK_MASK)}`

/** The packet's mark is cleared in the same pass: on loopback it survives from OUTPUT to INPUT. */
function commandRules(): readonly Rule[] {
  const field = hex(CONNECTION_MARK_MASK)
  return [rule`-j CONNMARK --save-mark --nfmask ${field} --ctmask ${field}`, CLEAR_MARK]
}

/**
 * On loopback both ends share the flow's mark, and what the sending PU may do must not decide for the receiving one: only
 * the net side marks there. TCP is marked nevertheless, since the receiver's SYN is queued in any state.
 */
function aclRules(filterQueue: FilterQueue): readonly Rule[] {
  return [rule`! -p tcp -o lo -j RETURN`, setState('acl', filterQueue)]
}

/** Where a flow's packet is seen: at the sockets of this host, or on its way to or from a PU behind an interface. */
type FlowPlace = Direction | 'in-beside-links' | 'to' | 'from'

/** TCP with a state. The rows are disjoint but for the last, so the one that established flows meet comes first. */
export function flowRules(names: ChainNames, filterQueue: FilterQueue, place: FlowPlace): readonly Rule[] {
  const { epoch } = filterQueue.commands
  const decided = masked(DECIDED_BIT | connectionMark('none', epoch), DECIDED_BIT | EPOCH_MASK)
  return [
    rule`-p tcp -m connmark --mark ${decided} -m tcp ! --tcp-flags SYN SYN ${HAS_NO_OVERLAY_OPTION} -j RETURN`,
    ...(place === 'out' || place === 'from'
      ? outgoingRules(names, filterQueue, place)
      : incomingRules(names, filterQueue, place)),
  ]
}

function incomingRules(
  names: ChainNames,
  filterQueue: FilterQueue,
  place: 'in' | 'in-beside-links' | 'to',
): readonly Rule[] {
  const sent = masked(connectionMark('sent', filterQueue.commands.epoch), CONNECTION_MARK_MASK)
  const released = rule`-m conntrack --ctdir REPLY -p tcp -m tcp --tcp-flags SYN,RST NONE ${HAS_NO_OVERLAY_OPTION}`
  return [
    // A reset that is queued beside an unconfirmed conntrack entry is lost: it passes, and the enforcer hears of it.
    rule`${UNDECIDED} -m conntrack --ctdir REPLY ${PLAIN_RESET} ${logTo(filterQueue)}`,
    rule`${UNDECIDED} ${PLAIN_RESET} -j RETURN`,
    // Where both ends share the entry the client's release is not the server's authorization.
    rule`! -i lo -m connmark --mark ${sent} ${released} -g ${names.authorize}`,
    ...(place === 'to' ? [] : openingRules(names, filterQueue, place)),
    ...queueTo(filterQueue.flowQueue),
  ]
}

/** By its SYN a flow finds its PU. A PU's permitted SYN reaches a local receiver that is no PU. */
function openingRules(
  names: ChainNames,
  filterQueue: FilterQueue,
  place: 'in' | 'in-beside-links',
): readonly Rule[] {
  const permitted = rule`${isACLFlow(filterQueue)} ${OPENING_SYN} -j RETURN`
  return [
    rule`${OPENING_SYN} -j ${names.synIn}`,
    rule`-i lo ${permitted}`,
    ...(place === 'in' ? [] : [rule`-m physdev --physdev-is-in -m conntrack --ctdir ORIGINAL ${permitted}`]),
  ]
}

/**
 * A SYN bit that leaves a PU opens or answers for a socket that is not the one which the state was given to: the state is gone
 * before the packet is queued, or what this kernel lets pass meanwhile would tell the new socket's numbers, and let data in to it.
 * The queue still sees what it was, and gives it back to the answer that is sent again. An answer within a flow that a rule over
 * addresses let in keeps its state: that one holds for the tuple, whatever the socket.
 */
function outgoingRules(names: ChainNames, filterQueue: FilterQueue, place: 'out' | 'from'): readonly Rule[] {
  const [showState, queue] = queueTo(filterQueue.flowQueue)
  const demote = setState('handshake', filterQueue)
  const acl = masked(connectionMark('acl', 0), STATE_MASK)
  return [
    rule`${UNDECIDED} ${PLAIN_RESET} -j RETURN`,
    ...(place === 'out' ? [rule`${OPENING_SYN} ${demote}`, rule`${OPENING_SYN} -j ${names.synOut}`] : []),
    showState,
    rule`${HAS_SYN} -m connmark ! --mark ${acl} ${demote}`,
    rule`${HAS_SYN} -m conntrack --ctdir ORIGINAL ${demote}`,
    queue,
  ]
}
