import type { DropReason } from './flow.js'
import type { EnforcementMode, IPRule } from './policy.js'

/** What becomes of a connection or a packet from or to a peer without identity. */
export interface AddressDecision {
  readonly verdict: 'accept' | 'reject'
  readonly reason: DropReason | ''
  /** The deciding rule's name, or `default deny`. */
  readonly rule: string
  /** Would have been denied, and passes because of observe mode. */
  readonly observed: boolean
}

/**
 * By the rule that `ACL.match` gave for it, in a PU of this mode.
 * @param otherwise why it is denied where no rule is the reason.
 */
export function decideAddress(
  rule: IPRule | undefined,
  mode: EnforcementMode,
  otherwise: DropReason = 'policy',
): AddressDecision {
  if (rule?.action === 'accept') return { verdict: 'accept', reason: '', rule: rule.name, observed: false }
  const observed = mode === 'observe' || rule?.mode === 'observe'
  const verdict = observed ? 'accept' : 'reject'
  return { verdict, reason: rule ? 'policy' : otherwise, rule: rule?.name ?? 'default deny', observed }
}
