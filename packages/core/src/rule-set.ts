import type { EnforcementMode, KeyValueOperator, RuleAction, TagSelector } from './policy.js'
import type { PortRange } from './pu.js'
import { type CompiledClause, clauseHolds, compileClause, readPort, ruleError } from './rule-clause.js'
import { ShortTagReader } from './short-tag-reader.js'
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
 * Compiled rules over identities. A rule matches when every one of its clauses, counted separately, holds; reject rules
 * come before accept rules, and within an action the first in the list wins. Synchronous, never throws.
 */
export interface RuleSet {
  /** The deciding rule, whatever its mode: the caller interprets `observe`. Undefined where no rule matches. */
  match(tags: Tags): RuleMatch | undefined
  /** The first matching reject rule that is not in mode `observe`. */
  matchEnforcedReject(tags: Tags): RuleMatch | undefined
  /** For tags that no rule matches: the accept rule with the fewest unsatisfied clauses, the first of equals. */
  nearest(tags: Tags): NearestRule | undefined
  /**
   * What these rules are to be asked about: the tags, or for shortened ones what the rules can tell of them. Exact and
   * exists clauses see no difference; a clause that lists a prefix never lets in a value that cannot be read.
   */
  tagsOf(carried: CarriedTags): Tags
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

interface CompiledRule {
  readonly match: RuleMatch
  /** `=` and `*`: found through the index, counted. */
  readonly positive: readonly CompiledClause[]
  /** `=!` and `!*`: checked only once all positive clauses hold. */
  readonly negative: readonly CompiledClause[]
}

/** Clause numbers by the characters of a prefix. Those of a node hold for every value that reaches it. */
interface PrefixNode {
  readonly clauses: number[]
  readonly next: Map<number, PrefixNode>
}

/** The positive clauses of one key, by what satisfies them. */
interface KeyIndex {
  readonly exact: Map<string, number[]>
  readonly prefixes: PrefixNode
  /** Of more than one port; a single one is as exact as any value. */
  readonly ports: (PortRange & { readonly clause: number })[]
}

class IndexedRuleSet implements RuleSet {
  /** Rejects, then accepts: a lower place wins. */
  readonly #rules: readonly CompiledRule[]
  readonly #rejectCount: number
  readonly #withoutPositive: readonly number[]
  readonly #keys = new Map<string, KeyIndex>()
  /** Made for the first peer with shortened tags. */
  #shortTagReader: ShortTagReader | undefined
  /** Clause number → place of its rule. */
  readonly #ruleOfClause: number[] = []

  // Scratch of one look-up. What carries an old stamp counts as unset, so that nothing has to be cleared.
  #stamp = 0
  readonly #clauseStamps: Uint32Array
  readonly #ruleStamps: Uint32Array
  readonly #hits: Uint32Array
  readonly #complete: Uint32Array
  #completeCount = 0

  constructor(rules: readonly TagSelector[]) {
    const compiled = rules.map(compileRule)
    const rejects = compiled.filter(({ match }) => match.rule.action === 'reject')
    this.#rules = [...rejects, ...compiled.filter(({ match }) => match.rule.action === 'accept')]
    this.#rejectCount = rejects.length
    this.#withoutPositive = [...this.#rules.keys()].filter(place => this.#rules[place]!.positive.length === 0)
    for (const [place, rule] of this.#rules.entries()) {
      for (const clause of rule.positive) this.#addClause(clause, place)
    }
    this.#clauseStamps = new Uint32Array(this.#ruleOfClause.length)
    this.#ruleStamps = new Uint32Array(this.#rules.length)
    this.#hits = new Uint32Array(this.#rules.length)
    this.#complete = new Uint32Array(this.#rules.length)
  }

  match(tags: Tags): RuleMatch | undefined {
    this.#count(tags)
    return this.#winner(tags, this.#rules.length, false)
  }

  matchEnforcedReject(tags: Tags): RuleMatch | undefined {
    this.#count(tags)
    return this.#winner(tags, this.#rejectCount, true)
  }

  nearest(tags: Tags): NearestRule | undefined {
    this.#count(tags)
    let nearest: CompiledRule | undefined
    let fewest = Number.POSITIVE_INFINITY
    for (let place = this.#rejectCount; place < this.#rules.length; place += 1) {
      const rule = this.#rules[place]!
      const hits = this.#ruleStamps[place] === this.#stamp ? this.#hits[place]! : 0
      let missing = rule.positive.length - hits
      if (missing >= fewest) continue
      for (const clause of rule.negative) if (!clauseHolds(clause, tags)) missing += 1
      if (missing >= fewest) continue
      fewest = missing
      nearest = rule
    }
    if (nearest === undefined) return undefined
    const missing = [...nearest.positive, ...nearest.negative].filter(clause => !clauseHolds(clause, tags))
    return { rule: nearest.match.rule, missing: missing.map(({ clause }) => clause) }
  }

  tagsOf({ tags, shortTags }: CarriedTags): Tags {
    if (shortTags === undefined) return tags
    this.#shortTagReader ??= new ShortTagReader(this.#rules.map(({ match }) => match.rule))
    return [...tags, ...this.#shortTagReader.read(shortTags)]
  }

  #addClause({ clause, listed }: CompiledClause, place: number): void {
    const number = this.#ruleOfClause.push(place) - 1
    const index: KeyIndex = this.#keys.get(clause.key) ?? {
      exact: new Map(),
      prefixes: newPrefixNode(),
      ports: [],
    }
    this.#keys.set(clause.key, index)
    for (const value of listed.exact) addExact(index, value, number)
    for (const prefix of clause.operator === '*' ? [''] : listed.prefixes) {
      addPrefix(index.prefixes, prefix, number)
    }
    for (const { first, last } of listed.ports) {
      if (first === last) addExact(index, String(first), number)
      else index.ports.push({ first, last, clause: number })
    }
  }

  /** Counts per rule the positive clauses that hold, each once however many tags satisfy it. */
  #count(tags: Tags): void {
    if (this.#stamp === 0xffff_ffff) this.#forgetStamps()
    this.#stamp += 1
    this.#completeCount = 0
    for (const { key, value } of tags) {
      const index = this.#keys.get(key)
      if (index === undefined) continue
      const exact = index.exact.get(value)
      if (exact !== undefined) this.#hitAll(exact)
      this.#hitPrefixes(index.prefixes, value)
      if (index.ports.length > 0) this.#hitPorts(index, value)
    }
  }

  #hitPrefixes(root: PrefixNode, value: string): void {
    let node: PrefixNode | undefined = root
    for (let index = 0; node !== undefined; index += 1) {
      this.#hitAll(node.clauses)
      node = index < value.length ? node.next.get(value.charCodeAt(index)) : undefined
    }
  }

  #hitPorts(index: KeyIndex, value: string): void {
    const port = readPort(value)
    if (port === undefined) return
    for (const range of index.ports) {
      if (range.first <= port && port <= range.last) this.#hit(range.clause)
    }
  }

  #hitAll(clauses: readonly number[]): void {
    for (const clause of clauses) this.#hit(clause)
  }

  #hit(clause: number): void {
    if (this.#clauseStamps[clause] === this.#stamp) return
    this.#clauseStamps[clause] = this.#stamp
    const place = this.#ruleOfClause[clause]!
    const hits = (this.#ruleStamps[place] === this.#stamp ? this.#hits[place]! : 0) + 1
    this.#ruleStamps[place] = this.#stamp
    this.#hits[place] = hits
    if (hits < this.#rules[place]!.positive.length) return
    this.#complete[this.#completeCount] = place
    this.#completeCount += 1
  }

  /** The first rule below place `limit` whose clauses all hold. */
  #winner(tags: Tags, limit: number, isEnforcedOnly: boolean): RuleMatch | undefined {
    let best = limit
    for (const place of this.#withoutPositive) {
      if (place >= best) break
      if (this.#applies(place, tags, isEnforcedOnly)) best = place
    }
    for (let index = 0; index < this.#completeCount; index += 1) {
      const place = this.#complete[index]!
      if (place < best && this.#applies(place, tags, isEnforcedOnly)) best = place
    }
    return best < limit ? this.#rules[best]!.match : undefined
  }

  #applies(place: number, tags: Tags, isEnforcedOnly: boolean): boolean {
    const { match, negative } = this.#rules[place]!
    if (isEnforcedOnly && match.rule.mode === 'observe') return false
    for (const clause of negative) if (!clauseHolds(clause, tags)) return false
    return true
  }

  #forgetStamps(): void {
    this.#clauseStamps.fill(0)
    this.#ruleStamps.fill(0)
    this.#stamp = 0
  }
}

function compileRule(rule: TagSelector): CompiledRule {
  if (!ACTIONS.includes(rule.action)) {
    throw ruleError(rule, `action ${JSON.stringify(rule.action)}: expected accept or reject`)
  }
  if (rule.mode !== undefined && !MODES.includes(rule.mode)) {
    throw ruleError(rule, `mode ${JSON.stringify(rule.mode)}: expected enforce or observe`)
  }
  if (rule.clauses.length === 0) throw ruleError(rule, 'no clauses: expected at least one')
  const clauses = rule.clauses.map(clause => compileClause(clause, rule))
  const isPositive = ({ clause: { operator } }: CompiledClause) => operator === '=' || operator === '*'
  return {
    match: { rule },
    positive: clauses.filter(isPositive),
    negative: clauses.filter(clause => !isPositive(clause)),
  }
}

function addExact(index: KeyIndex, value: string, clause: number): void {
  const clauses = index.exact.get(value)
  if (clauses === undefined) index.exact.set(value, [clause])
  else clauses.push(clause)
}

function newPrefixNode(): PrefixNode {
  return { clauses: [], next: new Map() }
}

function addPrefix(root: PrefixNode, prefix: string, clause: number): void {
  let node = root
  for (let index = 0; index < prefix.length; index += 1) {
    const unit = prefix.charCodeAt(index)
    const next = node.next.get(unit) ?? newPrefixNode()
    node.next.set(unit, next)
    node = next
  }
  node.clauses.push(clause)
}
