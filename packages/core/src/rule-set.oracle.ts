import type { KeyValueOperator, RuleAction, TagSelector } from './policy.js'
import { PORT_TAG, type Tags } from './tags.js'

/** The deciding rule and its place in the list. */
export interface NaiveMatch {
  readonly rule: TagSelector
  readonly index: number
}

/**
 * What the rules say about an identity, by looking at every clause of every rule: the first reject rule that applies,
 * else the first accept rule that applies, else nothing. The compiled rule set must agree with it on every input.
 */
export function naiveMatch(rules: readonly TagSelector[], tags: Tags): NaiveMatch | undefined {
  return naiveFirst('reject', rules, tags) ?? naiveFirst('accept', rules, tags)
}

/** The first rule of one action whose every clause matches. */
export function naiveFirst(
  action: RuleAction,
  rules: readonly TagSelector[],
  tags: Tags,
): NaiveMatch | undefined {
  for (const [index, rule] of rules.entries()) {
    if (rule.action !== action) continue
    if (rule.clauses.every(clause => naiveClauseMatches(clause, tags))) return { rule, index }
  }
  return undefined
}

/** Whether one condition holds for an identity. */
export function naiveClauseMatches(clause: KeyValueOperator, tags: Tags): boolean {
  const carried = tags.filter(tag => tag.key === clause.key)
  const isListed = carried.some(tag =>
    clause.values.some(listed => naiveValueMatches(clause.key, listed, tag.value)),
  )
  switch (clause.operator) {
    case '=':
      return isListed
    case '=!':
      return !isListed
    case '*':
      return carried.length > 0
    case '!*':
      return carried.length === 0
  }
}

/** Whether a value of a tag is what one listed value of a clause means. */
export function naiveValueMatches(key: string, listed: string, value: string): boolean {
  if (listed === '*') return true
  if (key === PORT_TAG) return portMatches(listed, value)
  if (listed.endsWith('*')) return value.startsWith(listed.slice(0, -1))
  return listed === value
}

function portMatches(listed: string, value: string): boolean {
  const [first, last = first] = listed.split('-').map(Number)
  const port = Number(value)
  return first !== undefined && last !== undefined && first <= port && port <= last
}
