import { TriremeError } from './errors.js'
import type { KeyValueOperator, Operator, TagSelector } from './policy.js'
import type { PortRange } from './pu.js'
import { OPEN_VALUE } from './short-tag-reader.js'
import { PORT_TAG, type Tags } from './tags.js'

const MAX_PORT = 65_535
const OPERATORS: readonly string[] = ['=', '=!', '*', '!*'] satisfies Operator[]

/** The values of one clause, read once. */
export interface ListedValues {
  readonly exact: ReadonlySet<string>
  /** Without the `*`; the empty prefix is any value. */
  readonly prefixes: readonly string[]
  /** Only under `PORT_TAG`. */
  readonly ports: readonly PortRange[]
}

/** A clause whose values are read. */
export interface CompiledClause {
  readonly clause: KeyValueOperator
  readonly listed: ListedValues
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
  return { clause, listed: readValues(hasValues ? clause : { ...clause, values: [] }, rule) }
}

/** Whether `tags` satisfy the clause. */
export function clauseHolds({ clause, listed }: CompiledClause, tags: Tags): boolean {
  const { operator, key } = clause
  const hasWantedTag = operator === '=' || operator === '*'
  const anyValue = operator === '*' || operator === '!*'
  for (const tag of tags) {
    if (tag.key === key && (anyValue || isListed(listed, tag.value))) return hasWantedTag
  }
  return !hasWantedTag
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

/** A clause for people: `app=web|db`, `env!=dev`, `team=*` (exists), `team!=*` (does not). */
export function formatClause(clause: KeyValueOperator): string {
  const { key, operator, values } = clause
  if (operator === '*') return `${key}=*`
  if (operator === '!*') return `${key}!=*`
  return `${key}${operator === '=' ? '=' : '!='}${values.join('|')}`
}

/** A `TriremeError` `ERR_POLICY` that names the rule. */
export function ruleError(rule: { readonly name: string }, message: string, cause?: unknown): TriremeError {
  const options = cause === undefined ? undefined : { cause }
  return new TriremeError('ERR_POLICY', `rule ${JSON.stringify(rule.name)}: ${message}`, options)
}

function isListed(listed: ListedValues, value: string): boolean {
  if (listed.exact.has(value)) return true
  for (const prefix of listed.prefixes) if (value.startsWith(prefix)) return true
  if (listed.ports.length === 0) return false
  const port = readPort(value)
  return port !== undefined && listed.ports.some(range => range.first <= port && port <= range.last)
}

function readValues(clause: KeyValueOperator, rule: TagSelector): ListedValues {
  const exact = new Set<string>()
  const prefixes: string[] = []
  const ports: PortRange[] = []
  for (const value of clause.values) {
    if (value === '*') prefixes.push('')
    else if (clause.key === PORT_TAG) ports.push(readPortRange(value, rule))
    else if (value.endsWith('*')) prefixes.push(value.slice(0, -1))
    else exact.add(value)
  }
  // A value that cannot be read might have the prefix: that must never let a peer in, nor past a rule that only observes.
  const letsIn = rule.action === 'accept' || rule.mode === 'observe'
  const keepsOut = (clause.operator === '=') !== letsIn
  if (keepsOut && prefixes.some(prefix => prefix !== '')) exact.add(OPEN_VALUE)
  return { exact, prefixes, ports }
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
