import { TriremeError } from './errors.js'
import type { KeyValueOperator, Operator, TagSelector } from './policy.js'
import type { PortRange } from './pu.js'
import type { SeenTag, SeenTags } from './short-tag-reader.js'
import { PORT_TAG } from './tags.js'

const MAX_PORT = 65_535
const OPERATORS: readonly string[] = ['=', '=!', '*', '!*'] satisfies Operator[]

/** The values of one clause, read once. */
export interface ListedValues {
  readonly exact: ReadonlySet<string>
  /** Without the `*`; none of them is empty. */
  readonly prefixes: readonly string[]
  /** Any value will do: `*` is listed, or the clause is about the key alone. */
  readonly isAny: boolean
  /** Only under `PORT_TAG`. */
  readonly ports: readonly PortRange[]
}

/** A clause whose values are read. */
export interface CompiledClause {
  readonly clause: KeyValueOperator
  readonly listed: ListedValues
  /** What it says where a shortened tag may have a listed prefix or not: never what lets a peer in by a rule that accepts. */
  readonly holdsIfUnknown: boolean
}

/**
 * Reads one clause of `rule`.
 * @throws TriremeError `ERR_POLICY` for an unknown operator, a missing value, or a port that is none.
 */
export function compileClause(clause: KeyValueOperator, rule: TagSelector): CompiledClause {
  const { operator, key } = clause
  if (!OPERATORS.includes(operator)) {
    throw ruleError(rule, `operator ${JSON.stringify(operator)} of key ${key}: expected one of = =! * !*`)
  }
  const hasValues = operator === '=' || operator === '=!'
  if (hasValues && clause.values.length === 0) {
    throw ruleError(rule, `clause on key ${key}: expected at least one value for operator ${operator}`)
  }
  const listed = readValues(hasValues ? clause : { key, values: ['*'] }, rule)
  return { clause, listed, holdsIfUnknown: rule.action === 'reject' }
}

/**
 * Whether `tags` satisfy the clause. A clause is judged by its own values alone: where it lists a prefix, and a shortened tag of
 * its key has none of its other values, nobody can know, and `holdsIfUnknown` decides.
 */
export function clauseHolds({ clause, listed, holdsIfUnknown }: CompiledClause, tags: SeenTags): boolean {
  const { operator, key } = clause
  const hasWantedTag = operator === '=' || operator === '*'
  let isUnknown = false
  for (const tag of tags) {
    if (tag.key !== key) continue
    if (isListed(listed, tag)) return hasWantedTag
    if (tag.isShort && listed.prefixes.length > 0) isUnknown = true
  }
  return isUnknown ? holdsIfUnknown : !hasWantedTag
}

/** The number that a decimal without sign and leading zeros gives, if it is a port's. */
export function readPort(text: string): number | undefined {
  if (text.length === 0 || text.length > 5 || (text.length > 1 && text.charCodeAt(0) === 48)) return undefined
  let port = 0
  for (let index = 0; index < text.length; index += 1) {
    const digit = text.charCodeAt(index) - 48
    if (digit < 0 || digit > 9) return undefined
    port = port * 10 + digit
  }
  return port <= MAX_PORT ? port : undefined
}

/** How many values of a clause people are shown. */
const SHOWN_VALUES = 8

/** A clause for people: `app=web|db`, `env!=dev`, `team=*` (exists), `team!=*` (does not). Of many values the first eight. */
export function formatClause(clause: KeyValueOperator): string {
  const { key, operator, values } = clause
  if (operator === '*') return `${key}=*`
  if (operator === '!*') return `${key}!=*`
  const more = values.length > SHOWN_VALUES ? `|… (${values.length - SHOWN_VALUES} more)` : ''
  return `${key}${operator === '=' ? '=' : '!='}${values.slice(0, SHOWN_VALUES).join('|')}${more}`
}

/** A `TriremeError` `ERR_POLICY` that names the rule. */
export function ruleError(rule: { readonly name: string }, message: string, cause?: unknown): TriremeError {
  const options = cause === undefined ? undefined : { cause }
  return new TriremeError('ERR_POLICY', `rule ${JSON.stringify(rule.name)}: ${message}`, options)
}

function isListed(listed: ListedValues, { value, isShort }: SeenTag): boolean {
  if (listed.isAny || listed.exact.has(value)) return true
  if (isShort) return false
  for (const prefix of listed.prefixes) if (value.startsWith(prefix)) return true
  if (listed.ports.length === 0) return false
  const port = readPort(value)
  return port !== undefined && listed.ports.some(range => range.first <= port && port <= range.last)
}

function readValues(clause: Pick<KeyValueOperator, 'key' | 'values'>, rule: TagSelector): ListedValues {
  const exact = new Set<string>()
  const prefixes: string[] = []
  const ports: PortRange[] = []
  for (const value of clause.values) {
    if (value === '*') continue
    if (clause.key === PORT_TAG) ports.push(readPortRange(value, rule))
    else if (value.endsWith('*')) prefixes.push(value.slice(0, -1))
    else exact.add(value)
  }
  return { exact, prefixes, ports, isAny: clause.values.includes('*') }
}

function readPortRange(value: string, rule: TagSelector): PortRange {
  const [firstText = '', lastText = firstText, ...rest] = value.split('-')
  const first = readPort(firstText)
  const last = readPort(lastText)
  if (first === undefined || last === undefined || first > last || rest.length > 0) {
    const expected = 'expected a port (8080), a range (8000-8099) or *'
    throw ruleError(rule, `value ${JSON.stringify(value)} of key ${PORT_TAG}: ${expected}`)
  }
  return { first, last }
}
