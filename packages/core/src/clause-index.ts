import type { PortRange } from './pu.js'
import { type CompiledClause, readPort } from './rule-clause.js'
import type { SeenTags } from './short-tag-reader.js'

/** Numbers of clause lists, ascending. */
export type Bucket = readonly number[]

/** Buckets by the characters of a prefix. That of a node is for every value that reaches it. */
interface PrefixNode {
  readonly bucket: number[]
  readonly next: Map<number, PrefixNode>
}

/** The lists that are filed under one key, by what brings them up. */
interface KeyIndex {
  readonly exact: Map<string, number[]>
  readonly prefixes: PrefixNode
  /** Of more than one port; a single one is as exact as any value. */
  readonly ranges: (PortRange & { readonly bucket: Bucket })[]
  /** Brought up by a shortened tag that may have a listed prefix. */
  readonly open: number[]
}

/**
 * Finds, among many lists of clauses, those that an identity may satisfy. Each list is filed under one of its clauses, the
 * rarest, so a look-up costs what the identity's own tags bring up, however many lists there are.
 */
export class ClauseIndex {
  readonly #keys = new Map<string, KeyIndex>()
  /** Lists without a clause that a tag could bring up: always candidates. */
  readonly #unfiled: number[] = []
  /** Scratch of the last look-up. */
  readonly #found: Bucket[] = []

  constructor(lists: readonly (readonly CompiledClause[])[]) {
    const frequency = frequencies(lists)
    for (const [list, clauses] of lists.entries()) {
      const pivot = rarest(clauses.filter(isPositive), frequency)
      if (pivot === undefined) this.#unfiled.push(list)
      else this.#file(pivot, list)
    }
  }

  /**
   * Buckets that hold every list whose clauses all hold for these tags, and others; a list may be in several.
   * Good until the next call.
   */
  candidates(tags: SeenTags): readonly Bucket[] {
    this.#found.length = 0
    this.#add(this.#unfiled)
    for (const tag of tags) {
      const index = this.#keys.get(tag.key)
      if (index === undefined) continue
      this.#add(index.exact.get(tag.value))
      if (tag.isShort) {
        this.#add(index.prefixes.bucket)
        this.#add(index.open)
      } else {
        this.#addPrefixes(index.prefixes, tag.value)
        if (index.ranges.length > 0) this.#addRanges(index, tag.value)
      }
    }
    return this.#found
  }

  #add(bucket: Bucket | undefined): void {
    if (bucket !== undefined && bucket.length > 0) this.#found.push(bucket)
  }

  #addPrefixes(root: PrefixNode, value: string): void {
    let node: PrefixNode | undefined = root
    for (let at = 0; node !== undefined; at += 1) {
      this.#add(node.bucket)
      node = at < value.length ? node.next.get(value.charCodeAt(at)) : undefined
    }
  }

  #addRanges(index: KeyIndex, value: string): void {
    const port = readPort(value)
    if (port === undefined) return
    for (const { first, last, bucket } of index.ranges) if (first <= port && port <= last) this.#add(bucket)
  }

  #file({ clause, listed, holdsIfUnknown }: CompiledClause, list: number): void {
    const index = this.#keys.get(clause.key) ?? newKeyIndex()
    this.#keys.set(clause.key, index)
    for (const value of listed.exact) fileExact(index, value, list)
    for (const prefix of listed.isAny ? [''] : listed.prefixes)
      nodeOf(index.prefixes, prefix).bucket.push(list)
    if (listed.prefixes.length > 0 && holdsIfUnknown) index.open.push(list)
    for (const { first, last } of listed.ports) {
      if (first === last) fileExact(index, String(first), list)
      else index.ranges.push({ first, last, bucket: [list] })
    }
  }
}

/** Whether the clause asks for a tag, so that tags bring it up. */
export function isPositive({ clause: { operator } }: CompiledClause): boolean {
  return operator === '=' || operator === '*'
}

function newKeyIndex(): KeyIndex {
  return { exact: new Map(), prefixes: newPrefixNode(), ranges: [], open: [] }
}

function newPrefixNode(): PrefixNode {
  return { bucket: [], next: new Map() }
}

function fileExact(index: KeyIndex, value: string, list: number): void {
  const bucket = index.exact.get(value)
  if (bucket === undefined) index.exact.set(value, [list])
  else bucket.push(list)
}

function nodeOf(root: PrefixNode, prefix: string): PrefixNode {
  let node = root
  for (let at = 0; at < prefix.length; at += 1) {
    const unit = prefix.charCodeAt(at)
    const next = node.next.get(unit) ?? newPrefixNode()
    node.next.set(unit, next)
    node = next
  }
  return node
}

/** How often each key and condition is listed. */
type Frequencies = ReadonlyMap<string, ReadonlyMap<string, number>>

function frequencies(lists: readonly (readonly CompiledClause[])[]): Frequencies {
  const keys = new Map<string, Map<string, number>>()
  for (const clause of lists.flat()) {
    if (!isPositive(clause)) continue
    const { key } = clause.clause
    const counts = keys.get(key) ?? new Map<string, number>()
    keys.set(key, counts)
    for (const { text } of conditionsOf(clause)) counts.set(text, (counts.get(text) ?? 0) + 1)
  }
  return keys
}

/** The clause that the fewest lists share; one that any value or a range satisfies counts for more. */
function rarest(clauses: readonly CompiledClause[], frequency: Frequencies): CompiledClause | undefined {
  if (clauses.length < 2) return clauses[0]
  const costs = clauses.map(clause => {
    const counts = frequency.get(clause.clause.key)
    return conditionsOf(clause).reduce((sum, { text, weight }) => sum + weight * (counts?.get(text) ?? 0), 0)
  })
  return clauses[costs.indexOf(Math.min(...costs))]
}

interface Condition {
  readonly text: string
  readonly weight: number
}

function conditionsOf({ listed }: CompiledClause): readonly Condition[] {
  if (listed.isAny) return [{ text: '*', weight: 4 }]
  return [
    ...[...listed.exact].map(value => ({ text: `=${value}`, weight: 1 })),
    ...listed.prefixes.map(prefix => ({ text: `^${prefix}`, weight: 2 })),
    ...listed.ports.map(({ first, last }) =>
      first === last ? { text: `=${first}`, weight: 1 } : { text: '-', weight: 2 },
    ),
  ]
}
