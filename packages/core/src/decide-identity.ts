import type { EnforcementMode } from './policy.js'
import { formatClause } from './rule-clause.js'
import type { RuleSet } from './rule-set.js'
import type { SeenTags } from './short-tag-reader.js'

/** What becomes of a connection from or to an identity. */
export interface IdentityDecision {
  readonly verdict: 'accept' | 'reject'
  /** The deciding rule's name, or the text of `describeDenial` where none matched. */
  readonly rule: string
  /** Would have been denied, and passes because of observe mode. */
  readonly observed: boolean
  /** The rule that would have denied what another rule accepts, if it did not only observe. */
  readonly wouldReject?: string
}

/**
 * Rules that reject, then those that accept, then those that reject in mode `observe`, else denied. What an observed reject
 * rule matches passes: as accepted where another rule accepts it, with `wouldReject`, and else as observed. In a PU in mode
 * `observe` everything passes.
 */
export function decideIdentity(ruleSet: RuleSet, tags: SeenTags, mode: EnforcementMode): IdentityDecision {
  const rule = ruleSet.match(tags)?.rule
  if (rule === undefined) return deny(describeDenial(ruleSet, tags), mode)
  if (rule.action === 'reject') return deny(rule.name, rule.mode === 'observe' ? 'observe' : mode)
  const observed = ruleSet.matchObserved(tags)?.rule
  const accepted = { verdict: 'accept', rule: rule.name, observed: false } as const
  return observed === undefined ? accepted : { ...accepted, wouldReject: observed.name }
}

/** `default deny`, with the nearest accept rule and what the tags lacked for it, for people. */
export function describeDenial(ruleSet: RuleSet, tags: SeenTags): string {
  const nearest = ruleSet.nearest(tags)
  if (nearest === undefined) return 'default deny'
  const lacks = nearest.missing.map(formatClause).join(', ')
  return `default deny (nearest rule ${nearest.rule.name}: lacks ${lacks})`
}

function deny(rule: string, mode: EnforcementMode): IdentityDecision {
  const isObserved = mode === 'observe'
  return { verdict: isObserved ? 'accept' : 'reject', rule, observed: isObserved }
}
