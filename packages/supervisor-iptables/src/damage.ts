import { FAMILIES } from './family.js'
import type { Generation } from './generation.js'
import type { Jump, Layout, TableLayout, TableName } from './layout.js'
import { isSameJump } from './render.js'

/**
 * What the kernel no longer has as it was made, a few words for people each; empty where all is there. Jumps must stand before the
 * rules of others, chains have as many rules as were made: a program that flushes, restores or inserts is noticed, one that replaces
 * a rule of ours by another is not.
 */
export function damageIn(found: Generation, made: Generation): readonly string[] {
  return FAMILIES.flatMap(family =>
    tablesOf(made[family]).flatMap(table =>
      tableDamage(found[family][table], made[family][table]).map(what => `${family} ${table}: ${what}`),
    ),
  )
}

/** All that is there, a few words for people each; empty where there is nothing. */
export function leftIn(found: Generation): readonly string[] {
  return FAMILIES.flatMap(family =>
    tablesOf(found[family]).flatMap(table => {
      const { chains, jumps } = found[family][table]
      const parts = [
        ...(chains.size === 0 ? [] : [`${chains.size} chains`]),
        ...jumps.map(({ from }) => `a jump from ${from}`),
      ]
      return parts.length === 0 ? [] : [`${family} ${table}: ${parts.join(', ')}`]
    }),
  )
}

function tablesOf(layout: Layout): readonly TableName[] {
  return Object.keys(layout) as TableName[]
}

/** The same of one table. */
export function tableDamage(now: TableLayout, then: TableLayout): readonly string[] {
  const changed = [...then.chains].filter(([chain, rules]) => now.chains.get(chain)?.length !== rules.length)
  const chains = changed.length === 0 ? [] : [`${changed.length} chains changed`]
  const jumps = then.jumps.flatMap(jump => jumpDamage(jump, now))
  return [...chains, ...jumps]
}

function jumpDamage(jump: Jump, { jumps }: TableLayout): readonly string[] {
  const there = jumps.filter(each => isSameJump(each, jump))
  if (there.length === 0) return [`no jump from ${jump.from}`]
  return there.some(({ isBehindOthers }) => !isBehindOthers) ? [] : [`rules of others first in ${jump.from}`]
}
