import type { Rule } from './rule.js'

/**
 * The tables in which Trireme has rules. A packet meets `raw`, `mangle`, `filter` and `security` in this order
 * (`linux/netfilter_ipv4.h`, `NF_IP_PRI_*`).
 */
export type TableName = 'raw' | 'mangle' | 'filter' | 'security'

/** A rule in somebody else's chain, such as a built-in one, that leads to a chain of ours. */
export interface Jump {
  readonly from: string
  readonly rule: Rule
  /** Found in the kernel behind a rule of others, which may accept what we would refuse. */
  readonly isBehindOthers?: boolean
}

/** All that one instance has in one table. */
export interface TableLayout {
  readonly chains: ReadonlyMap<string, readonly Rule[]>
  readonly jumps: readonly Jump[]
}

/** All that one instance has in one family: its generation of rules. */
export type Layout = Readonly<Record<TableName, TableLayout>>

/** Nothing of ours in one table. */
export const EMPTY_TABLE: TableLayout = { chains: new Map(), jumps: [] }

/** Nothing of ours. */
export const EMPTY_LAYOUT: Layout = {
  raw: EMPTY_TABLE,
  mangle: EMPTY_TABLE,
  filter: EMPTY_TABLE,
  security: EMPTY_TABLE,
}

/** The jump from a built-in chain to a chain of ours. */
export function jump(from: string, chain: string): Jump {
  return { from, rule: ['-j', chain] }
}

/** The chain that a rule leads to, or its verdict. */
export function targetOf(rule: Rule): string | undefined {
  const at = rule.findLastIndex(token => token === '-j' || token === '-g')
  return at < 0 ? undefined : rule[at + 1]
}
