import type { KeyValueOperator, TagSelector } from './policy.js'
import { isReservedTagKey, PORT_TAG, type Tags } from './tags.js'

/** The deciding rule and its place in the list. */
export interface NaiveMatch {
  readonly rule: TagSelector
  readonly index: number
}

/** How the tags of an identity travelled: in full, or as hashes in which no prefix can be looked for. */
export type NaiveForm = 'full' | 'short'

/** The order in which rules are looked at. */
export const NAIVE_TIERS = [
  (rule: TagSelector) => rule.action === 'reject' && rule.mode !== 'observe',
  (rule: TagSelector) => rule.action === 'accept',
  (rule: TagSelector) => rule.action === 'reject' && rule.mode === 'observe',
] as const

/**
 * What the rules say about an identity, by looking at every clause of every rule: the first reject rule that applies,
 * else the first accept rule, else the first reject rule that only observes, else nothing. The compiled rule set must agree
 * with it on every input.
 */
export function naiveMatch(
  rules: readonly TagSelector[],
  tags: Tags,
  form: NaiveForm = 'full',
): NaiveMatch | undefined {
  for (const isOfTier of NAIVE_TIERS) {
    const found = naiveFirst(isOfTier, rules, tags, form)
    if (found) return found
  }
  return undefined
}

/** The first rule of one tier whose every clause matches. */
export function naiveFirst(
  isOfTier: (rule: TagSelector) => boolean,
  rules: readonly TagSelector[],
  tags: Tags,
  form: NaiveForm = 'full',
): NaiveMatch | undefined {
  for (const [index, rule] of rules.entries()) {
    if (isOfTier(rule) && naiveApplies(rule, tags, form)) return { rule, index }
  }
  return undefined
}

/** Whether every clause of a rule matches. No other rule is asked. */
export function naiveApplies(rule: TagSelector, tags: Tags, form: NaiveForm): boolean {
  return rule.clauses.every(clause => {
    if (form === 'short' && isUnknowable(clause, tags)) return rule.action === 'reject'
    return naiveClauseMatches(clause, tags)
  })
}

/** Whether hashes cannot tell: a prefix is listed, the key is there, and nothing else that is listed is. */
function isUnknowable({ key, operator, values }: KeyValueOperator, tags: Tags): boolean {
  if (isReservedTagKey(key) || (operator !== '=' && operator !== '=!')) return false
  if (values.includes('*') || !values.some(value => value.endsWith('*'))) return false
  const carried = tags.filter(tag => tag.key === key)
  return carried.length > 0 && !carried.some(tag => !tag.value.endsWith('*') && values.includes(tag.value))
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
