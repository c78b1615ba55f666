import { isInstanceChain } from './chain-names.js'
import type { NftRule, NftTable } from './nft-table.js'

/** The chains whose rules have to be known as iptables writes them: ours, and those that lead to ours. */
export function chainsToShow({ chains, rules }: NftTable): readonly string[] {
  const leading = new Set(rules.filter(leadsToUs).map(({ chain }) => chain))
  return chains.map(({ name }) => name).filter(name => isInstanceChain(name) || leading.has(name))
}

/**
 * A section of an `iptables-save` output that shows every chain and every rule of the table. A rule stands as iptables writes it
 * where `shown` holds its chain, and else by its handle: that it is there, and in which place, is true of all.
 * @param shown rules by chain, as in `-A CHAIN RULE`.
 */
export function renderSection(
  name: string,
  { chains, rules }: NftTable,
  shown: ReadonlyMap<string, readonly string[]>,
): string {
  const declared = chains.map(chain => `:${chain.name} ${chain.policy?.toUpperCase() ?? '-'} [0:0]`)
  const listed = chains.flatMap(chain => {
    const known = shown.get(chain.name)
    if (known) return known
    return rules.filter(rule => rule.chain === chain.name).map(rule => `-A ${chain.name} ${textOf(rule)}`)
  })
  return `*${name}\n${[...declared, ...listed].join('\n')}\nCOMMIT\n`
}

/** The rules by chain in what `iptables -S CHAIN` prints, for one chain or for several. */
export function rulesShown(listing: string): ReadonlyMap<string, readonly string[]> {
  const shown = new Map<string, string[]>()
  for (const line of listing.split('\n')) {
    const [, word, chain] = /^-([NPA]) (\S+)/.exec(line) ?? []
    if (chain === undefined) continue
    const rules = shown.get(chain) ?? []
    shown.set(chain, word === 'A' ? [...rules, line] : rules)
  }
  return shown
}

function leadsToUs({ target }: NftRule): boolean {
  return target !== undefined && isInstanceChain(target)
}

function textOf({ handle, target, verb, isPlain }: NftRule): string {
  const lead = target === undefined ? '' : `-${verb === 'jump' ? 'j' : 'g'} ${target}`
  return isPlain && lead !== '' ? lead : `[nft handle ${handle}] ${lead}`.trim()
}
