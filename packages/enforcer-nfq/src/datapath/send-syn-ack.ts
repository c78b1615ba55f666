import { encodeSynAck, serverMAC, signedPart, transcriptHash } from '@trireme/core'
import { attachOverlay } from '../packet/edit.js'
import { rewriteToReset } from '../packet/reset.js'
import type { Arrival } from './arrival.js'
import { rejected } from './decisions.js'
import { isDemotion } from './demotion.js'
import type { Answer, ServerFlow } from './flow.js'
import { resetTaker } from './lost-handshake.js'
import { edited, type Path } from './path.js'
import { isSuccessor } from './sequence.js'
import { sourceOf } from './sources.js'
import { plain } from './unidentified.js'
import { accept, drop, reset, setState, type Verdict } from './verdict.js'

/** Step 3: the PU's kernel answers. The answer goes to the youngest SYN that it acknowledges, with our record and MAC_s. */
export function sendSynAck(path: Path, arrival: Arrival): Verdict {
  const { packet } = arrival
  const key = packet.reverseFlowKey()
  const flows = path.flows.servers(key)
  const candidates = flows.filter(other => isSuccessor(packet.acknowledgement, other.isn))
  const isResent = (other: ServerFlow) => other.stage === 'auth' && other.answer?.isn === packet.sequence
  const flow = candidates.find(isResent) ?? candidates.at(-1)
  if (!flow) return answerWithoutFlow(path, arrival, key)
  const isProven = flow.stage === 'auth' || path.sources.hasCompleted(sourceOf(key), path.now())
  if (!isProven && flow.answersLeft-- <= 0) return drop('overload')
  flow.lastSeenMs = path.now()
  if (flow.answer?.isn !== packet.sequence) {
    if (flow.stage === 'auth') return drop('state')
    const answer = newAnswer(path, flow, packet.sequence)
    if (!answer) return drop('token')
    path.flows.demote(key, packet.sequence)
    flow.answer = answer
  }
  const length = attachOverlay(packet, flow.answer.overlay, path.out)
  if (length === 'options') {
    path.reporter.report({ pu: flow.pu, peer: flow.peer, decision: rejected('options'), role: 'server', key })
    return edited(rewriteToReset(packet, path.out), reset('options'))
  }
  // The rule that queued the packet took the authorization from the entry: this very connection gets it back.
  if (flow.stage === 'auth') return edited(length, size => setState('auth', size))
  return edited(length, isDemotion(arrival) ? size => setState('handshake', size) : accept)
}

/** A SYN-ACK that answers no overlay: of a flow that an ACL let in, or of a server beside the PUs to a client here; or one that is forgotten. */
function answerWithoutFlow(path: Path, arrival: Arrival, key: string): Verdict {
  const { packet, state } = arrival
  const isBesideThePUs = path.flows.client(key) && !path.pus.byEnd(packet.source, packet.sourcePort)
  if (state === 'acl' || isBesideThePUs) return edited(plain(path, packet), accept)
  return resetTaker(path, arrival)
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
