import type { ChainNames } from './chain-names.js'
import { FAMILIES } from './family.js'
import type { Generation } from './generation.js'
import type { Layout } from './layout.js'
import type { InheritedMatch } from './rules.js'
import { inheritedMatches } from './saved-rules.js'

/** Whether rules of PUs behind interfaces are there. */
export function usesLinks(generation: Generation | undefined, { from }: ChainNames): boolean {
  return generation !== undefined && FAMILIES.some(family => generation[family].mangle.chains.has(from))
}

/** Whether rules are there that use sets of addresses. */
export function usesSets({ mangle }: Layout): boolean {
  return [...mangle.chains.values()].some(rules => rules.some(rule => rule.includes('--match-set')))
}

/** How the rules that are there dispatch to PUs, each way once. */
export function inheritedIn(generation: Generation, names: ChainNames): readonly InheritedMatch[] {
  const all = FAMILIES.flatMap(family => inheritedMatches(generation[family], names))
  return [...new Map(all.map(each => [JSON.stringify(each), each])).values()]
}
