import {
  encodeSynAck,
  type OwnRecord,
  type Suite,
  serverMAC,
  signedPart,
  transcriptHash,
} from '@trireme/core'
import { attachOverlay } from '../packet/edit.js'
import { rewriteToReset } from '../packet/reset.js'
import type { TcpPacket } from '../packet/tcp-packet.js'
import type { Arrival } from './arrival.js'
import { rejected } from './decisions.js'
import { isDemotion } from './demotion.js'
import type { OwnAnswer, ServerFlow } from './flow.js'
import { resetTaker } from './lost-handshake.js'
import { edited, type Path } from './path.js'
import { isSuccessor } from './sequence.js'
import { sourceOf } from './sources.js'
import type { FinishedHandshake } from './tables/finished-handshakes.js'
import { plain } from './unidentified.js'
import { accept, drop, reset, setState, type Verdict } from './verdict.js'

/** Step 3: the PU's kernel answers. The answer goes to the youngest SYN that it acknowledges, with our record and MAC_s. */
export function sendSynAck(path: Path, arrival: Arrival): Verdict {
  const { packet } = arrival
  const authorized = path.servers.authorized(packet.reverseTuple)
  const isOfAuthorized = authorized && isSuccessor(packet.acknowledgement, authorized.isn)
  if (isOfAuthorized && authorized.answerISN === packet.sequence) return answerAgain(path, authorized, packet)
  let flow = path.servers.find(packet.reverseTuple)
  while (flow && !isSuccessor(packet.acknowledgement, flow.isn)) flow = flow.older
  if (!flow) return isOfAuthorized ? drop('state') : answerWithoutFlow(path, arrival)
  const { key, peer } = flow
  const isProven = flow.isProven || path.sources.isProven(sourceOf(key), peer.claims.issuer, path.now())
  if (!isProven && flow.answersLeft-- <= 0) return drop('overload')
  flow.lastSeenMs = path.now()
  // Nobody takes an answer whose record's time is not now: the clock was set.
  const isAnswered = flow.answer?.isn === packet.sequence
  const isGood = flow.answer && path.handshakes.of(flow.suite)?.issuer.isGood(flow.answer.own)
  if (!flow.answer || !isAnswered || !isGood) {
    const answer = newAnswer(path, flow, packet.sequence)
    if (!answer) {
      path.reporter.report({
        pu: flow.pu,
        peer,
        decision: rejected('token'),
        role: 'server',
        key,
        flowID: flow.id,
      })
      return drop('token')
    }
    path.servers.demote(packet.reverseTuple, packet.sequence)
    flow.answer = answer
  }
  const { nonce, own, mac } = flow.answer
  const length = attachOverlay(packet, answerOverlay(flow.suite, nonce, own, mac), path.out)
  if (length === 'options') return withoutRoom(path, flow, packet)
  return edited(length, isDemotion(arrival) ? size => setState('handshake', size) : accept)
}

/** The rule that queued the packet took the authorization from the entry: this very connection gets it back. */
function answerAgain(path: Path, known: FinishedHandshake, packet: TcpPacket): Verdict {
  const { suite, nonce, own, serverMAC } = known
  const length = attachOverlay(packet, answerOverlay(suite, nonce, own, serverMAC), path.out)
  if (length === 'options') {
    const { pu, peer } = known
    return withoutRoom(path, { pu, peer, key: packet.reverseFlowKey() }, packet)
  }
  return edited(length, size => setState('auth', size))
}

function withoutRoom(path: Path, flow: Pick<ServerFlow, 'pu' | 'peer' | 'key'>, packet: TcpPacket): Verdict {
  const { pu, peer, key } = flow
  path.reporter.report({ pu, peer, decision: rejected('options'), role: 'server', key })
  return edited(rewriteToReset(packet, path.out), reset('options'))
}

/** A SYN-ACK that answers no overlay: of a flow that an ACL let in, or of a server beside the PUs to a client here; or one that is forgotten. */
function answerWithoutFlow(path: Path, arrival: Arrival): Verdict {
  const { packet, state } = arrival
  const client = path.clients.find(packet.reverseTuple) ?? path.clients.released(packet.reverseTuple)
  const isBesideThePUs = client && !path.pus.byEnd(packet.source, packet.sourcePort)
  if (state === 'acl' || isBesideThePUs) return edited(plain(path, packet), accept)
  return resetTaker(path, arrival)
}

function newAnswer(path: Path, flow: ServerFlow, isn: number): OwnAnswer | undefined {
  const handshake = path.handshakes.of(flow.suite)
  const own = handshake?.issuer.current(flow.pu.contextID)
  const keys = own && handshake?.keysAsServer(own, flow.peer)
  if (!handshake || !keys) return undefined
  const nonce = handshake.nonce()
  const h2 = transcriptHash(flow.h1, signedPart(encodeSynAck(flow.suite, nonce, own.bytes)))
  return { isn, h2, mac: serverMAC(keys, h2), keys, nonce, own }
}

function answerOverlay(suite: Suite, nonce: Uint8Array, own: OwnRecord, mac: Uint8Array): Uint8Array {
  const overlay = encodeSynAck(suite, nonce, own.bytes)
  overlay.set(mac, overlay.length - mac.length)
  return overlay
}
