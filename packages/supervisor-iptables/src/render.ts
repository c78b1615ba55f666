import type { Jump, Layout, TableLayout, TableName } from './layout.js'

/** Marks are cleared, and resets ready, before anything is trapped; what traps goes first when all is taken away. */
const INSTALL_ORDER: readonly TableName[] = ['raw', 'security', 'filter', 'mangle']

/**
 * The input of `iptables-restore --noflush` that turns what is there into what shall be. It names no chain of anybody else,
 * except to put in a jump that is missing or behind rules of others, first in its chain, or to take one out. Empty where there
 * is nothing to do.
 */
export function renderTransition(current: Layout, target: Layout): string {
  const leaves = INSTALL_ORDER.every(table => target[table].chains.size === 0)
  const order = leaves ? [...INSTALL_ORDER].reverse() : INSTALL_ORDER
  return order
    .map(table => renderTable(table, { current: current[table], target: target[table], policy: '- [0:0]' }))
    .join('')
}

export interface TableTransition {
  readonly current: TableLayout
  readonly target: TableLayout
  /** What the program takes for the policy of a chain that is not built in. */
  readonly policy: string
}

/** One table of it. Declaring a chain makes it, or empties it: so removing one that is already gone is no error. */
export function renderTable(name: TableName, { current, target, policy }: TableTransition): string {
  const gone = [...current.chains.keys()].filter(chain => !target.chains.has(chain))
  const lines = [
    ...[...target.chains.keys(), ...gone].map(chain => `:${chain} ${policy}`),
    ...[...target.chains].flatMap(([chain, rules]) => rules.map(rule => `-A ${chain} ${rule.join(' ')}`)),
    ...staleJumps(current, target).map(({ from, rule }) => `-D ${from} ${rule.join(' ')}`),
    ...missingJumps(current, target).map(({ from, rule }) => `-I ${from} 1 ${rule.join(' ')}`),
    ...gone.map(chain => `-X ${chain}`),
  ]
  return lines.length === 0 ? '' : `*${name}\n${lines.join('\n')}\nCOMMIT\n`
}

function missingJumps(current: TableLayout, target: TableLayout): readonly Jump[] {
  const inPlace = current.jumps.filter(({ isBehindOthers }) => !isBehindOthers)
  return target.jumps.filter(wanted => !inPlace.some(there => isSameJump(there, wanted)))
}

function staleJumps(current: TableLayout, target: TableLayout): readonly Jump[] {
  return current.jumps.filter(
    jump => jump.isBehindOthers || !target.jumps.some(wanted => isSameJump(jump, wanted)),
  )
}

/** Whether both lead from one chain to the same by the same rule. */
export function isSameJump(a: Jump, b: Jump): boolean {
  return a.from === b.from && a.rule.join(' ') === b.rule.join(' ')
}
