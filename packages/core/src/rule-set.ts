import { type Bucket, ClauseIndex } from './clause-index.js'
import type { EnforcementMode, KeyValueOperator, RuleAction, TagSelector } from './policy.js'
import { type CompiledClause, clauseHolds, compileClause, ruleError } from './rule-clause.js'
import { type SeenTags, ShortTagReader } from './short-tag-reader.js'
import type { ShortTags } from './short-tags.js'
import type { Tags } from './tags.js'

/** The rule that decides over an identity. */
export interface RuleMatch {
  readonly rule: TagSelector
}

/** An accept rule and the clauses that an identity does not satisfy. */
export interface NearestRule {
  readonly rule: TagSelector
  readonly missing: readonly KeyValueOperator[]
}

/** The tags of an identity as its record carries them: in full, or shortened. */
export interface CarriedTags {
  readonly tags: Tags
  readonly shortTags?: ShortTags
}

/**
 * Compiled rules over identities. A rule matches when every one of its clauses, each by itself, holds; its mode and the other
 * rules have no say in that. Rules that reject come first, then those that accept, then those that reject in mode `observe`;
 * among equals the first in the list wins. A look-up costs what the identity's tags bring up, not the number of rules.
 * Synchronous, never throws.
 */
export interface RuleSet {
  /** The deciding rule. Undefined where no rule matches. */
  match(tags: SeenTags): RuleMatch | undefined
  /** The first matching rule that rejects in mode `observe`. */
  matchObserved(tags: SeenTags): RuleMatch | undefined
  /**
   * For tags that no rule matches: a rule that accepts and has few unsatisfied clauses. Among 32 rules or fewer it is the one
   * with the fewest, the first of equals; of more, some are looked at, so that the cost has a bound.
   */
  nearest(tags: SeenTags): NearestRule | undefined
  /** What these rules are to be asked about: the tags, or for shortened ones what the rules can tell of them. */
  tagsOf(carried: CarriedTags): SeenTags
}

/**
 * @throws TriremeError `ERR_POLICY`, naming the rule, for a rule without clauses, a clause of `=` or `=!` without values,
 * an unknown operator, action or mode, or a value under `PORT_TAG` that is no port, range or `*`.
 */
export function compileRules(rules: readonly TagSelector[]): RuleSet {
  return new IndexedRuleSet(rules)
}

const ACTIONS: readonly string[] = ['accept', 'reject'] satisfies RuleAction[]
const MODES: readonly string[] = ['enforce', 'observe'] satisfies EnforcementMode[]

/** How many rules `nearest` looks at: of those that the tags bring up, and of those at the beginning of the list. */
const NEAREST_RULES = 32

interface CompiledRule {
  readonly match: RuleMatch
  readonly clauses: readonly CompiledClause[]
}

class IndexedRuleSet implements RuleSet {
  /** Rejects, accepts, observed rejects: a lower place wins. */
  readonly #rules: readonly CompiledRule[]
  readonly #firstAccept: number
  readonly #firstObserved: number
  readonly #index: ClauseIndex
  /** Made for the first peer with shortened tags. */
  #shortTagReader: ShortTagReader | undefined

  constructor(rules: readonly TagSelector[]) {
    const compiled = rules.map(compileRule)
    const tiers = [0, 1, 2].map(tier => compiled.filter(({ match }) => tierOf(match.rule) === tier))
    this.#rules = tiers.flat()
    this.#firstAccept = tiers[0]!.length
    this.#firstObserved = this.#rules.length - tiers[2]!.length
    this.#index = new ClauseIndex(this.#rules.map(({ clauses }) => clauses))
  }

  match(tags: SeenTags): RuleMatch | undefined {
    return this.#first(tags, 0)
  }

  matchObserved(tags: SeenTags): RuleMatch | undefined {
    return this.#firstObserved < this.#rules.length ? this.#first(tags, this.#firstObserved) : undefined
  }

  nearest(tags: SeenTags): NearestRule | undefined {
    let fewest = Number.POSITIVE_INFINITY
    let nearest: CompiledRule | undefined
    for (const place of this.#nearCandidates(tags)) {
      const rule = this.#rules[place]!
      const missing = countMissing(rule, tags, fewest)
      if (missing >= fewest) continue
      fewest = missing
      nearest = rule
    }
    if (nearest === undefined) return undefined
    const missing = nearest.clauses.filter(clause => !clauseHolds(clause, tags))
    return { rule: nearest.match.rule, missing: missing.map(({ clause }) => clause) }
  }

  tagsOf({ tags, shortTags }: CarriedTags): SeenTags {
    if (shortTags === undefined) return tags
    this.#shortTagReader ??= new ShortTagReader(this.#rules.map(({ match }) => match.rule))
    return [...tags, ...this.#shortTagReader.read(shortTags)]
  }

  /** The first rule from a place on whose clauses all hold. */
  #first(tags: SeenTags, from: number): RuleMatch | undefined {
    let best = this.#rules.length
    for (const bucket of this.#index.candidates(tags)) {
      for (let at = from === 0 ? 0 : lowerBound(bucket, from); at < bucket.length; at += 1) {
        const place = bucket[at]!
        if (place >= best) break
        if (this.#applies(place, tags)) best = place
      }
    }
    return this.#rules[best]?.match
  }

  #applies(place: number, tags: SeenTags): boolean {
    for (const clause of this.#rules[place]!.clauses) if (!clauseHolds(clause, tags)) return false
    return true
  }

  /** Places of rules that accept, ascending. */
  #nearCandidates(tags: SeenTags): readonly number[] {
    const places = new Set<number>()
    for (const bucket of this.#index.candidates(tags)) {
      for (let at = lowerBound(bucket, this.#firstAccept); at < bucket.length; at += 1) {
        const place = bucket[at]!
        if (place >= this.#firstObserved || places.size >= NEAREST_RULES) break
        places.add(place)
      }
    }
    const last = Math.min(this.#firstAccept + NEAREST_RULES, this.#firstObserved)
    for (let place = this.#firstAccept; place < last; place += 1) places.add(place)
    return [...places].sort((a, b) => a - b)
  }
}

/** The position of the first number in an ascending bucket that is not below `least`. */
function lowerBound(bucket: Bucket, least: number): number {
  let low = 0
  let high = bucket.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (bucket[middle]! < least) low = middle + 1
    else high = middle
  }
  return low
}

/** How many clauses do not hold; the count stops at `enough`. */
function countMissing({ clauses }: CompiledRule, tags: SeenTags, enough: number): number {
  let missing = 0
  for (const clause of clauses) {
    if (!clauseHolds(clause, tags)) missing += 1
    if (missing >= enough) break
  }
  return missing
}

function tierOf({ action, mode }: TagSelector): 0 | 1 | 2 {
  if (action === 'accept') return 1
  return mode === 'observe' ? 2 : 0
}

function compileRule(rule: TagSelector): CompiledRule {
  if (!ACTIONS.includes(rule.action)) {
    throw ruleError(rule, `action ${JSON.stringify(rule.action)}: expected accept or reject`)
  }
  if (rule.mode !== undefined && !MODES.includes(rule.mode)) {
    throw ruleError(rule, `mode ${JSON.stringify(rule.mode)}: expected enforce or observe`)
  }
  if (rule.clauses.length === 0) throw ruleError(rule, 'no clauses: expected at least one')
  return { match: { rule }, clauses: rule.clauses.map(clause => compileClause(clause, rule)) }
}
