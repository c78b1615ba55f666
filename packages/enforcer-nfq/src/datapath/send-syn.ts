import { EMBEDDED_RESOLVER, encodeSyn, parseAddress, sha256 } from '@trireme/core'
import { attachOverlay } from '../packet/edit.js'
import type { TcpPacket } from '../packet/tcp-packet.js'
import { rejected } from './decisions.js'
import { type ClientFlow, flowID } from './flow.js'
import { edited, type Path } from './path.js'
import type { PUContext } from './pu-context.js'
import { isCurrent } from './standing.js'
import { deny, sendPlainSyn } from './unidentified.js'
import { accept, drop, type Verdict } from './verdict.js'

/**
 * Step 1: the client's SYN leaves with the PU's record. A resend carries the same overlay, unless the node signs with another key
 * by now, since peers may have dropped the former, or the clock was set, and the record's time is not now; another ISN is another connection. The rule that queued the SYN has taken
 * from the entry what an earlier connection of the tuple left there.
 */
export function sendSyn(path: Path, pu: PUContext, packet: TcpPacket): Verdict {
  const key = packet.flowKey()
  const known = path.clients.find(packet.tuple)
  const released = path.clients.released(packet.tuple)
  // The socket has had its answer since: nobody waits for this SYN any more.
  if (released?.isn === packet.sequence) return drop('state')
  // Its socket is gone, also where this SYN comes to nothing.
  if (released || (known && known.isn !== packet.sequence)) path.clients.remove(packet.tuple)
  if (!path.triremeNetworks.contains(packet.destination) || isOwnResolver(pu, packet))
    return sendPlainSyn(path, pu, packet)
  const isResend = known?.isn === packet.sequence && isCurrent(path, known, pu)
  const flow = isResend ? known : newClientFlow(path, pu, packet)
  if (!flow) return withoutRecord(path, pu, key)
  if (isResend && flow.stage === 'syn-sent' && !flow.isUnanswered) noteUnanswered(path, flow)
  flow.lastSeenMs = path.now()
  const length = attachOverlay(packet, flow.overlay, path.out)
  if (length === 'options') {
    const decision = rejected('options')
    path.reporter.report({ pu, decision, role: 'client', key, flowID: flow.id })
    return deny(path, packet, { pu, decision })
  }
  if (!isResend && !path.clients.add(flow, path.now())) return crowdedOut(path, flow)
  return edited(length, accept)
}

/** The PU has more handshakes under way than any other, and there is no room: its kernel sends the SYN again. */
function crowdedOut(path: Path, { pu, key, id }: ClientFlow): Verdict {
  path.reporter.report({ pu, decision: rejected('overload'), role: 'client', key, flowID: id })
  return drop('overload')
}

/** The PU's record has expired, and none could be signed since. */
function withoutRecord(path: Path, pu: PUContext, key: string): Verdict {
  path.reporter.report({ pu, decision: rejected('clock'), role: 'client', key })
  return drop('clock')
}

const LIKELY_AT_SILENT_HOST =
  'likely: other keys or another token encoding at the peer, a clock that differs by over 30 s, nothing that enforces there, or packets dropped on the way'
const LIKELY_AT_KNOWN_HOST =
  'its host has answered in the last 10 minutes: likely its daemon restarts or is overloaded, the PU has ended, or packets are dropped on the way'

/** Whoever drops our SYN, or its answer, tells nobody: this end knows only that nothing came. */
function noteUnanswered(path: Path, flow: ClientFlow): void {
  const { pu, key, id } = flow
  flow.isUnanswered = true
  const isKnown = path.answerers.hasCompleted(key.slice(18, 34), path.now())
  const hint = isKnown ? LIKELY_AT_KNOWN_HOST : LIKELY_AT_SILENT_HOST
  const decision = { verdict: 'reject', reason: 'unanswered', rule: '', observed: false, hint } as const
  path.reporter.report({ pu, decision, role: 'client', key, flowID: id })
}

const RESOLVER = parseAddress(EMBEDDED_RESOLVER)

/** Docker's resolver shows no identity: it is the engine's, inside of the container's namespace. */
function isOwnResolver({ pu }: PUContext, { destination }: TcpPacket): boolean {
  return pu.runtime.isolation.by === 'netns' && Buffer.compare(destination, RESOLVER) === 0
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
    isBesideThePUs: false,
    sharesEntry: false,
    stage: 'syn-sent',
    answer: undefined,
    peer: undefined,
    clientMAC: undefined,
    isUnanswered: false,
    sentUpTo: packet.sequence,
    lastSeenMs: path.now(),
    place: undefined,
  }
}
