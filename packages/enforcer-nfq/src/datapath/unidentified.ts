import { type ACL, decideAddress, type IPRule } from '@trireme/core'
import { isPlain, stripOverlay } from '../packet/edit.js'
import { rewriteSynAckToReset } from '../packet/reset.js'
import type { TcpPacket } from '../packet/tcp-packet.js'
import type { Arrival } from './arrival.js'
import { dropReasonOf, rejected } from './decisions.js'
import type { ClientFlow } from './flow.js'
import type { LiveFlow } from './live-flows.js'
import { edited, type Path } from './path.js'
import type { PUContext } from './pu-context.js'
import type { Decision } from './reporter.js'
import { accept, drop, hold, refuse, reset, setState, type Verdict } from './verdict.js'

/**
 * A SYN for somebody outside the trireme networks: the PU's application ACLs decide, default deny. The kernel decides it alone
 * but where the tuple is used again while its connection still has a state.
 */
export function sendPlainSyn(path: Path, pu: PUContext, packet: TcpPacket): Verdict {
  const asked = [packet.destination, packet.destinationPort, 'tcp'] as const
  const acl = pu.applicationACL
  const decision = decideAddress(acl.match(...asked), pu.policy.mode, 'policy', acl.matchObserved(...asked))
  path.reporter.report({ pu, decision, role: 'client', key: packet.flowKey() })
  if (decision.verdict === 'accept')
    return letThrough(path, { pu, packet, role: 'client', key: packet.flowKey() })
  return deny(path, packet, { pu, decision })
}

/** A SYN without overlay that enters a PU: the PU's network ACLs decide, default deny. It never changes an authorized flow. */
export function receivePlainSyn(path: Path, pu: PUContext, arrival: Arrival): Verdict {
  const { packet, state } = arrival
  if (state === 'auth' || state === 'sent') return drop('state')
  const asked = [packet.source, packet.destinationPort, 'tcp'] as const
  const acl = pu.networkACL
  const [rule, observer] = [acl.match(...asked), acl.matchObserved(...asked)]
  const allowed = decideAddress(rule, pu.policy.mode, 'stripped-or-unenforced', observer)
  const listener = allowed.verdict === 'accept' ? path.sockets.listenerOfSyn(pu, arrival) : 'own'
  if (listener instanceof Promise) return hold(listener)
  const decision = listener === 'foreign-listener' ? rejected(listener) : allowed
  path.reporter.report({ pu, decision, role: 'server', key: packet.flowKey() })
  if (decision.verdict === 'accept')
    return letThrough(path, { pu, packet, role: 'server', key: packet.flowKey() })
  return state === 'acl' ? drop('policy') : deny(path, packet, { pu, decision })
}

/**
 * A SYN-ACK without overlay that answers a SYN with one: somebody stripped it, or the peer is not enforced. It passes only if
 * an application ACL allows the destination explicitly, or in observe mode.
 */
export function receivePlainSynAck(path: Path, flow: ClientFlow, arrival: Arrival): Verdict {
  const { packet, sharesEntry } = arrival
  const pu = path.pus.current(flow.pu)
  if (!pu) return drop('context')
  // The entry may be shared with a server that is a PU: that one answers with an overlay, and this would let the client in to it.
  if (sharesEntry && !flow.isBesideThePUs) return drop('state')
  const decision = decideAddress(
    explicitAccept(pu.applicationACL, packet),
    pu.policy.mode,
    'stripped-or-unenforced',
  )
  path.reporter.report({ pu, decision, role: 'client', key: flow.key, flowID: flow.id })
  if (decision.verdict === 'accept') return letThrough(path, { pu, packet, role: 'client', key: flow.key })
  return refuseSynAck(path, packet, { flow, decision })
}

/** Tells the PU's socket, in SYN-SENT, that it was refused; with `deny: drop` it hears nothing. */
export function refuseSynAck(path: Path, packet: TcpPacket, { flow, decision }: RefusedFlow): Verdict {
  flow.stage = 'refused'
  return toldOfRefusal(path, packet, { pu: flow.pu, decision })
}

/** The SYN-ACK as the reset by which the PU's socket hears of the refusal, if it is to hear of it. */
export function toldOfRefusal(path: Path, packet: TcpPacket, { pu, decision }: Denial): Verdict {
  const reason = dropReasonOf(decision)
  if (pu.policy.denyWith === 'drop') return drop(reason)
  return edited(rewriteSynAckToReset(packet, path.out), reset(reason))
}

interface RefusedFlow {
  readonly flow: ClientFlow
  readonly decision: Decision
}

/**
 * A SYN-ACK after the refusal. A kernel that was told has no socket any more and answers with a reset for the server; one
 * that was not told still waits, and must not take it for an answer.
 */
export function afterRefusal(path: Path, flow: Pick<ClientFlow, 'pu'>, packet: TcpPacket): Verdict {
  if (flow.pu.policy.denyWith === 'drop') return drop('policy')
  return edited(plain(path, packet), accept)
}

/** Answers a SYN, or the ACK of a handshake, that was denied: stripped first, so that the reset does not count the overlay. */
export function deny(path: Path, packet: TcpPacket, { pu, decision }: Denial): Verdict {
  const reason = dropReasonOf(decision)
  if (pu.policy.denyWith === 'drop') return drop(reason)
  return edited(plain(path, packet), refuse(reason))
}

interface Denial {
  readonly pu: PUContext
  readonly decision: Decision
}

/** What the PU's rules over addresses say of a connection, by its client's flow key; the PU's end must be its own. */
export function decideByAddress(pu: PUContext, { role, key }: Pick<LiveFlow, 'role' | 'key'>): Decision {
  const bytes = Buffer.from(key, 'latin1')
  const port = bytes.readUInt16BE(34)
  const isOwn =
    role === 'server' ? pu.accepts(bytes.subarray(18, 34), port) : pu.maySendFrom(bytes.subarray(0, 16))
  if (!isOwn) return rejected('policy')
  const rule =
    role === 'client'
      ? pu.applicationACL.match(bytes.subarray(18, 34), port, 'tcp')
      : pu.networkACL.match(bytes.subarray(0, 16), port, 'tcp')
  return decideAddress(rule, pu.policy.mode)
}

/** The packet without what no SYN may deliver; 0 where there is nothing to take away. */
export function plain(path: Path, packet: TcpPacket) {
  return isPlain(packet) ? 0 : stripOverlay(packet, path.out)
}

interface LetThrough extends Pick<LiveFlow, 'role' | 'key'> {
  readonly pu: PUContext
  readonly packet: TcpPacket
}

function letThrough(path: Path, { pu, packet, role, key }: LetThrough): Verdict {
  const { contextID } = pu
  path.live.add({ role, key, contextID, peer: undefined, addedAtMs: path.now() })
  return edited(plain(path, packet), length => setState('acl', length))
}

function explicitAccept(acl: ACL, packet: TcpPacket): IPRule | undefined {
  return acl.match(packet.source, packet.sourcePort, 'tcp')
}
