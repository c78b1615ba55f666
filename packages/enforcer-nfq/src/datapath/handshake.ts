import {
  ackHeader,
  clientMAC,
  type DropReason,
  encodeAck,
  encodeSyn,
  encodeSynAck,
  macEquals,
  type PeerRecord,
  parseAck,
  parseSyn,
  parseSynAck,
  type Suite,
  type SynOverlay,
  serverMAC,
  sha256,
  signedPart,
  transcriptHash,
} from '@trireme/core'
import { attachOverlay, stripOverlay } from '../packet/edit.js'
import { rewriteToReset } from '../packet/reset.js'
import type { TcpPacket } from '../packet/tcp-packet.js'
import type { Arrival } from './arrival.js'
import { decideReceiver, decideTransmitter, rejected } from './decisions.js'
import { isLocal, isMisdirected } from './dialled.js'
import type { Answer, ClientFlow, ServerFlow } from './flow.js'
import { edited, type Path } from './path.js'
import type { PUContext } from './pu-context.js'
import { disown, isCurrent, peerFault } from './standing.js'
import {
  afterRefusal,
  deny,
  plain,
  receivePlainSyn,
  receivePlainSynAck,
  refuseSynAck,
  sendPlainSyn,
} from './unidentified.js'
import { ACCEPT, accept, drop, hold, setState, type Verdict } from './verdict.js'

/**
 * Step 1: the client's SYN leaves with the PU's record. A resend carries the same overlay, unless the node signs with another key
 * by now, since peers may have dropped the former; another ISN is another connection.
 */
export function sendSyn(path: Path, pu: PUContext, arrival: Arrival): Verdict {
  const { packet } = arrival
  if (!path.triremeNetworks.contains(packet.destination)) return sendPlainSyn(path, pu, packet)
  const key = packet.flowKey()
  const known = path.flows.client(key)
  const isResend = known?.isn === packet.sequence && isCurrent(path, known, pu)
  const flow = isResend ? known : newClientFlow(path, pu, packet)
  if (!flow) return drop('clock')
  flow.lastSeenMs = path.now()
  const length = attachOverlay(packet, flow.overlay, path.out)
  if (length === 'options') {
    path.reporter.report({ pu, decision: rejected('options'), role: 'client', key, flowID: flow.id })
    return deny(path, pu, packet)
  }
  if (!isResend) path.flows.addClient(flow)
  return edited(length, isDemotion(arrival) ? size => setState('handshake', size) : accept)
}

/** Step 2: a SYN is about to enter a PU. What is accepted is not the connection yet: only MAC_c makes it one. */
export function receiveSyn(path: Path, pu: PUContext, arrival: Arrival): Verdict {
  const { packet } = arrival
  if (!packet.hasOverlayOption) return receivePlainSyn(path, pu, arrival)
  const { suite, verifier } = path.handshakes.answering(packet.payload())
  const syn = parseSyn(suite, packet.payload())
  if (typeof syn === 'string') return badSyn(path, pu, packet, syn)
  if (isMisdirected(path, pu, packet, syn)) return badSyn(path, pu, packet, 'misdirected')
  const peer = verifier.verify(syn.record)
  if (peer instanceof Promise) return hold(peer)
  if (typeof peer === 'string') return badSyn(path, pu, packet, peer)
  const key = packet.flowKey()
  const h1 = sha256(packet.payload())
  const resent = path.flows.servers(key).find(flow => flow.isn === packet.sequence && flow.h1.equals(h1))
  if (!resent) return admitSyn(path, { pu, arrival, suite, syn, peer, key, h1 })
  // Its connection exists: a late duplicate, or a replay that would have the kernel open another one.
  if (resent.stage === 'auth') return drop('replay')
  resent.lastSeenMs = path.now()
  return edited(stripOverlay(packet, path.out), accept)
}

/** Step 3: the PU's kernel answers. The answer goes to the youngest SYN that it acknowledges, with our record and MAC_s. */
export function sendSynAck(path: Path, arrival: Arrival): Verdict {
  const { packet } = arrival
  const key = packet.reverseFlowKey()
  const flows = path.flows.servers(key)
  const candidates = flows.filter(other => isSuccessor(packet.acknowledgement, other.isn))
  const isResent = (other: ServerFlow) => other.stage === 'auth' && other.answer?.isn === packet.sequence
  const flow = candidates.find(isResent) ?? candidates.at(-1)
  if (!flow) return answerWithoutFlow(path, arrival, key)
  flow.lastSeenMs = path.now()
  if (flow.answer?.isn !== packet.sequence) {
    if (flow.stage === 'auth') return drop('state')
    flow.answer = newAnswer(path, flow, packet.sequence)
    if (!flow.answer) return drop('token')
    path.flows.demote(key, packet.sequence)
  }
  const length = attachOverlay(packet, flow.answer.overlay, path.out)
  if (length === 'options') {
    path.reporter.report({ pu: flow.pu, peer: flow.peer, decision: rejected('options'), role: 'server', key })
    return edited(rewriteToReset(packet, path.out), accept)
  }
  const isNew = flow.stage !== 'auth' && isDemotion(arrival)
  return edited(length, isNew ? size => setState('handshake', size) : accept)
}

/** Step 4: the server's answer is about to enter the client. MAC_s covers all that was said; then the rules decide. */
export function receiveSynAck(path: Path, flow: ClientFlow, packet: TcpPacket): Verdict {
  if (!isSuccessor(packet.acknowledgement, flow.isn)) return drop('state')
  flow.lastSeenMs = path.now()
  if (flow.stage === 'refused') return afterRefusal(path, flow, packet)
  if (!packet.hasOverlayOption) {
    return flow.stage === 'syn-sent' ? receivePlainSynAck(path, flow, packet) : drop('state')
  }
  const overlay = packet.payload()
  if (flow.answer?.isn === packet.sequence && macEquals(flow.answer.overlay, overlay)) {
    const isReleased = flow.stage === 'released' && !path.flows.isShared(flow.id)
    return edited(stripOverlay(packet, path.out), isReleased ? size => setState('sent', size) : accept)
  }
  // The PU's kernel has taken the first answer: another one can only be a replay.
  if (flow.stage === 'released') return drop('state')
  const handshake = path.handshakes.of(flow.suite)
  if (!handshake) return drop('mode')
  const synAck = parseSynAck(flow.suite, overlay)
  if (typeof synAck === 'string') return drop(synAck)
  const peer = handshake.verifier.verify(synAck.record)
  if (peer instanceof Promise) return hold(peer)
  if (typeof peer === 'string') return drop(peer)
  const keys = handshake.keysAsClient(flow.own, peer)
  if (!keys) return drop('token')
  const h2 = transcriptHash(flow.h1, synAck.signed)
  if (!macEquals(serverMAC(keys, h2), synAck.mac)) return drop('mac')
  const mac = new Uint8Array(synAck.mac)
  return admitSynAck(path, {
    flow,
    packet,
    peer,
    answer: { isn: packet.sequence, overlay: new Uint8Array(overlay), h2, mac, keys },
  })
}

/**
 * Step 5: MAC_c leaves on a segment without data; data that wanted to leave first is resent by the kernel. From then on the
 * client's own data passes; a resend of it shows that MAC_c was lost, so MAC_c goes ahead again.
 */
export function sendAck(path: Path, flow: ClientFlow, packet: TcpPacket): Verdict {
  flow.lastSeenMs = path.now()
  if (packet.hasOverlayOption) return drop('format')
  const isVerified = flow.stage === 'verified' || flow.stage === 'released'
  if (!isVerified || !packet.hasAck || !flow.ackOverlay) return drop('state')
  const end = (packet.sequence + packet.payloadLength + Number(packet.hasFin)) >>> 0
  const isProgress = flow.stage === 'released' && isAfter(end, flow.sentUpTo)
  if (isProgress) {
    flow.sentUpTo = end
    return ACCEPT
  }
  const fault = peerFault(path, flow)
  if (fault instanceof Promise) return hold(fault)
  if (fault) return disown(path, flow, packet, fault)
  flow.stage = 'released'
  // What stood here leaves with its next resend, or the two would wait for each other for ever.
  flow.sentUpTo = packet.sequence
  const isShared = path.flows.isShared(flow.id)
  return edited(
    attachOverlay(packet, flow.ackOverlay, path.out),
    isShared ? accept : size => setState('sent', size),
  )
}

/** Step 6: MAC_c is about to enter the server: the connection is authorized, if the rules still say so. */
export function receiveAck(path: Path, flows: readonly ServerFlow[], packet: TcpPacket): Verdict {
  if (!packet.hasOverlayOption) return flows.some(flow => flow.stage === 'auth') ? ACCEPT : drop('state')
  if (packet.isRst || !packet.hasAck) return drop('format')
  const overlay = packet.payload()
  const ack = parseAck(path.handshakes.answering(overlay).suite, overlay)
  if (typeof ack === 'string') return drop(ack)
  for (const flow of flows) {
    if (flow.stage === 'auth') {
      if (flow.ackOverlay && macEquals(flow.ackOverlay, overlay))
        return edited(stripOverlay(packet, path.out), accept)
      continue
    }
    if (!flow.answer || !isSuccessor(packet.sequence, flow.isn)) continue
    const { keys, h2, mac, isn } = flow.answer
    if (!isSuccessor(packet.acknowledgement, isn)) continue
    if (macEquals(clientMAC(keys, h2, mac, ack.header), ack.mac)) return authorize(path, flow, packet)
  }
  return drop('mac')
}

function newClientFlow(path: Path, pu: PUContext, packet: TcpPacket): ClientFlow | undefined {
  const { suite, issuer } = path.handshakes.sending
  const own = issuer.current(pu.contextID)
  if (!own) return undefined
  const overlay = encodeSyn(suite, {
    nonce: path.handshakes.sending.nonce(),
    dialledAddress: packet.destination,
    dialledPort: packet.destinationPort,
    record: own.bytes,
  })
  const h1 = sha256(overlay)
  return {
    pu,
    key: packet.flowKey(),
    id: flowID(h1),
    isn: packet.sequence,
    suite,
    own,
    overlay,
    h1,
    stage: 'syn-sent',
    answer: undefined,
    peer: undefined,
    ackOverlay: undefined,
    sentUpTo: packet.sequence,
    lastSeenMs: path.now(),
  }
}

interface IncomingSyn {
  readonly pu: PUContext
  readonly arrival: Arrival
  readonly suite: Suite
  readonly syn: SynOverlay
  readonly peer: PeerRecord
  readonly key: string
  readonly h1: Buffer
}

function admitSyn(path: Path, incoming: IncomingSyn): Verdict {
  const { pu, arrival, suite, syn, peer, key, h1 } = incoming
  const { packet } = arrival
  if (path.replays.isReplay(peer.hash, syn.nonce, { key, isn: packet.sequence }))
    return badSyn(path, pu, packet, 'replay')
  const isOurs = path.handshakes.isOwn(peer.hash)
  if (isOurs && !isLocal(path, packet, syn)) return badSyn(path, pu, packet, 'misdirected')
  const decision = decideReceiver(pu, peer, packet.destinationPort)
  const id = flowID(h1)
  if (decision.verdict === 'reject') {
    path.reporter.report({ pu, peer, decision, role: 'server', key, flowID: id })
    return isDemotion(arrival) ? drop('policy') : deny(path, pu, packet)
  }
  const sharesEntry = arrival.state === 'handshake' && path.flows.client(key)?.id === id
  path.flows.addServer({
    pu,
    key,
    id,
    isn: packet.sequence,
    suite,
    h1,
    peer,
    sharesEntry,
    stage: 'syn-received',
    answer: undefined,
    ackOverlay: undefined,
    lastSeenMs: path.now(),
  })
  return edited(stripOverlay(packet, path.out), accept)
}

/** A SYN-ACK that answers no overlay: of a flow that an ACL let in, or of a server beside the PUs to a client on this host. */
function answerWithoutFlow(path: Path, arrival: Arrival, key: string): Verdict {
  const { packet, state } = arrival
  const isBesideThePUs = path.flows.client(key) && !path.pus.byPort(packet.sourcePort)
  if (state === 'acl' || isBesideThePUs) return edited(plain(path, packet), accept)
  return drop('state')
}

function newAnswer(path: Path, flow: ServerFlow, isn: number): Answer | undefined {
  const handshake = path.handshakes.of(flow.suite)
  const own = handshake?.issuer.current(flow.pu.contextID)
  const keys = own && handshake?.keysAsServer(own, flow.peer)
  if (!handshake || !keys) return undefined
  const overlay = encodeSynAck(flow.suite, handshake.nonce(), own.bytes)
  const signed = signedPart(overlay)
  const h2 = transcriptHash(flow.h1, signed)
  const mac = serverMAC(keys, h2)
  overlay.set(mac, signed.length)
  return { isn, overlay, h2, mac, keys }
}

interface IncomingSynAck {
  readonly flow: ClientFlow
  readonly packet: TcpPacket
  readonly peer: PeerRecord
  readonly answer: Answer
}

function admitSynAck(path: Path, incoming: IncomingSynAck): Verdict {
  const { flow, packet, peer, answer } = incoming
  const pu = path.pus.current(flow.pu)
  if (!pu) return drop('context')
  const decision = decideTransmitter(path, pu, peer, packet.sourcePort)
  path.reporter.report({ pu, peer, decision, role: 'client', key: flow.key, flowID: flow.id })
  if (decision.verdict === 'reject') return refuseSynAck(path, flow, packet)
  const header = ackHeader(flow.suite)
  flow.answer = answer
  flow.peer = peer
  flow.ackOverlay = encodeAck(header, clientMAC(answer.keys, answer.h2, answer.mac, header))
  if (flow.stage === 'syn-sent') flow.stage = 'verified'
  return edited(stripOverlay(packet, path.out), accept)
}

function authorize(path: Path, flow: ServerFlow, packet: TcpPacket): Verdict {
  const pu = path.pus.current(flow.pu)
  if (!pu) return drop('context')
  const { peer, key, id } = flow
  const fault = peerFault(path, flow)
  if (fault instanceof Promise) return hold(fault)
  if (fault) {
    path.reporter.report({ pu, peer, decision: rejected(fault), role: 'server', key, flowID: id })
    return drop(fault)
  }
  const decision = decideReceiver(pu, peer, packet.destinationPort)
  path.reporter.report({ pu, peer, decision, role: 'server', key, flowID: id })
  // The policy changed since the SYN. The client's kernel will answer the next SYN-ACK with a reset for the half-open socket.
  if (decision.verdict === 'reject') return deny(path, pu, packet)
  flow.stage = 'auth'
  flow.ackOverlay = new Uint8Array(packet.payload())
  flow.lastSeenMs = path.now()
  path.flows.settle(flow)
  return edited(stripOverlay(packet, path.out), size => setState('auth', size))
}

/** A SYN with a bad overlay is dropped in every mode and never answered; it is reported, since nobody else would notice. */
function badSyn(path: Path, pu: PUContext, packet: TcpPacket, reason: DropReason): Verdict {
  path.reporter.report({ pu, decision: rejected(reason), role: 'server', key: packet.flowKey() })
  return drop(reason)
}

/** Whether the connection's entry was decided for an earlier connection of the same tuple. */
function isDemotion(arrival: Arrival): boolean {
  return arrival.state !== 'none' && arrival.state !== 'handshake'
}

function flowID(h1: Buffer): string {
  return h1.toString('hex', 0, 16)
}

function isSuccessor(number: number, of: number): boolean {
  return number === (of + 1) >>> 0
}

/** Whether sequence number `a` lies after `b`, modulo 2^32 (RFC 9293 §3.4). */
function isAfter(a: number, b: number): boolean {
  return ((a - b) | 0) > 0
}
