import type { DropReason } from '@trireme/core'
import type { TcpPacket } from '../packet/tcp-packet.js'
import { rejected } from './decisions.js'
import type { ClientFlow, ServerFlow } from './flow.js'
import type { Path } from './path.js'
import type { PUContext } from './pu-context.js'
import { deny } from './unidentified.js'
import type { Verdict } from './verdict.js'

/** Whether the flow's overlay may be sent again: it is the PU's own, its record good, and the node's key still the one that signed it. */
export function isCurrent(path: Path, flow: ClientFlow, pu: PUContext): boolean {
  if (flow.pu.contextID !== pu.contextID) return false
  return flow.stage !== 'syn-sent' || !path.handshakes.isSuperseded(pu.contextID, flow.suite, flow.own)
}

/** Why the other end's record does not hold now: time passed, or the secrets changed since it was verified. */
export function peerFault(path: Path, flow: Pick<ClientFlow | ServerFlow, 'suite' | 'peer'>) {
  const handshake = path.handshakes.of(flow.suite)
  if (!handshake || !flow.peer) return 'mode'
  return handshake.verifier.faultNow(flow.peer)
}

/** Nobody vouches any more for the server whose answer the PU's kernel has taken: its socket hears of a reset. */
export function disown(path: Path, flow: Disowned, packet: TcpPacket, reason: DropReason): Verdict {
  const { pu, peer, key, id } = flow
  const decision = rejected(reason)
  path.reporter.report({ pu, peer, decision, role: 'client', key, flowID: id })
  return deny(path, packet, { pu, decision })
}

type Disowned = Pick<ClientFlow, 'pu' | 'peer' | 'key' | 'id'>
