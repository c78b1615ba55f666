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
  /** The rule that would have denied what another rule accepts, if it did not only observe. */
  readonly wouldReject?: string
}

/**
 * By the rule that `ACL.match` gave for it, in a PU of this mode.
 * @param otherwise why it is denied where no rule is the reason.
 * @param observer what `ACL.matchObserved` gave for it.
 */
export function decideAddress(
  rule: IPRule | undefined,
  mode: EnforcementMode,
  otherwise: DropReason = 'policy',
  observer?: IPRule,
): AddressDecision {
  if (rule?.action === 'accept') {
    const accepted = { verdict: 'accept', reason: '', rule: rule.name, observed: false } as const
    return observer ? { ...accepted, wouldReject: observer.name } : accepted
  }
  const observed = mode === 'observe' || rule?.mode === 'observe'
  const verdict = observed ? 'accept' : 'reject'
  return { verdict, reason: rule ? 'policy' : otherwise, rule: rule?.name ?? 'default deny', observed }
}
