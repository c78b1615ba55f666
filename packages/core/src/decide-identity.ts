import type { EnforcementMode } from './policy.js'
import { formatClause } from './rule-clause.js'
import type { RuleSet } from './rule-set.js'
import type { Tags } from './tags.js'

/** What becomes of a connection from or to an identity. */
export interface IdentityDecision {
  readonly verdict: 'accept' | 'reject'
  /** The deciding rule's name, or the text of `describeDenial` where none matched. */
  readonly rule: string
  /** Would have been denied, and passes because of observe mode. */
  readonly observed: boolean
}

/**
 * Reject rules, then accept rules, else denied. What an observed reject rule matches passes as observed, also where no
 * other rule accepts it, unless an enforced reject rule matches too. In a PU in mode `observe` everything passes.
 */
export function decideIdentity(ruleSet: RuleSet, tags: Tags, mode: EnforcementMode): IdentityDecision {
  const first = ruleSet.match(tags)?.rule
  if (first === undefined) return deny(describeDenial(ruleSet, tags), mode)
  if (first.action === 'accept') return { verdict: 'accept', rule: first.name, observed: false }
  if (first.mode !== 'observe') return deny(first.name, mode)
  const enforced = ruleSet.matchEnforcedReject(tags)?.rule
  return enforced === undefined ? deny(first.name, 'observe') : deny(enforced.name, mode)
}

/** `default deny`, with the nearest accept rule and what the tags lacked for it, for people. */
export function describeDenial(ruleSet: RuleSet, tags: Tags): string {
  const nearest = ruleSet.nearest(tags)
  if (nearest === undefined) return 'default deny'
  const lacks = nearest.missing.map(formatClause).join(', ')
  return `default deny (nearest rule ${nearest.rule.name}: lacks ${lacks})`
}

function deny(rule: string, mode: EnforcementMode): IdentityDecision {
  const isObserved = mode === 'observe'
  return { verdict: isObserved ? 'accept' : 'reject', rule, observed: isObserved }
}
