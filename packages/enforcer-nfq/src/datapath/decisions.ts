import { type DropReason, decideIdentity, peerTags } from '@trireme/core'
import type { PeerClaims } from './live-flows.js'
import type { Path } from './path.js'
import type { PUContext } from './pu-context.js'
import type { Decision } from './reporter.js'

/** What the receiver's rules say of a client that connects to `port`. */
export function decideReceiver(pu: PUContext, peer: PeerClaims, port: number): Decision {
  const tags = peerTags(pu.receiverRules.tagsOf(peer), peer.issuer, port)
  const decision = decideIdentity(pu.receiverRules, tags, pu.policy.mode)
  return { ...decision, reason: reasonOf(decision) }
}

/** What the client's rules say of a server, in mutual mode: in receiver-only mode any will do. */
export function decideTransmitter(path: Path, pu: PUContext, peer: PeerClaims, port: number): Decision {
  if (path.authorization === 'receiver') return { verdict: 'accept', reason: '', rule: '', observed: false }
  const tags = peerTags(pu.transmitterRules.tagsOf(peer), peer.issuer, port)
  const decision = decideIdentity(pu.transmitterRules, tags, pu.policy.mode)
  return { ...decision, reason: reasonOf(decision) }
}

/** A refusal that no rule is the reason of. */
export function rejected(reason: DropReason): Decision {
  return { verdict: 'reject', reason, rule: '', observed: false }
}

/** Why a packet is not let through, by the decision that rejects its connection. */
export function dropReasonOf({ reason }: Pick<Decision, 'reason'>): DropReason {
  return reason === '' || reason === 'adopted' || reason === 'unanswered' ? 'policy' : reason
}

function reasonOf(decision: Pick<Decision, 'verdict' | 'observed'>): DropReason | '' {
  return decision.verdict === 'reject' || decision.observed ? 'policy' : ''
}
