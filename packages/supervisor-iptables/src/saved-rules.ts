import { TriremeError } from '@trireme/core'
import type { ChainNames } from './chain-names.js'
import { DIRECTIONS } from './direction.js'
import type { Family } from './family.js'
import { EMPTY_LAYOUT, type Jump, type Layout, type TableName, targetOf } from './layout.js'
import type { Link } from './links.js'
import { parseMatchTokens } from './pu-match.js'
import type { Rule } from './rule.js'
import type { InheritedMatch } from './rules.js'

/** What of an `iptables-save` output belongs to the instance with this chain prefix, in order. */
export function parseSavedRules(saved: string, prefix: string): Layout {
  const layout = { ...EMPTY_LAYOUT }
  for (const section of saved.split(/^\*/m).slice(1)) {
    const name = section.slice(0, section.indexOf('\n')).trim()
    if (isTableName(name)) layout[name] = parseTable(section, prefix)
  }
  return layout
}

/**
 * How the rules of an earlier process dispatch to its PUs.
 * @throws TriremeError `ERR_CONFIG` where our own chains hold a dispatch that we cannot read: leaving it out would open the PU.
 */
export function inheritedMatches(layout: Layout, names: ChainNames): readonly InheritedMatch[] {
  return DIRECTIONS.flatMap(direction =>
    (layout.mangle.chains.get(names[direction]) ?? []).flatMap(rule => {
      const hash = puHashOf(targetOf(rule), `${names.prefix}${direction === 'in' ? 'I' : 'O'}-`)
      if (hash === undefined) return []
      const match = parseMatchTokens(rule.slice(0, -2))
      if (match) return [{ hash, direction, match }]
      throw unreadable(names[direction], rule)
    }),
  )
}

/**
 * How the rules of an earlier process tell the packets of its PUs behind interfaces.
 * @throws TriremeError `ERR_CONFIG` for a rule of our own that is none of these.
 */
export function inheritedLinks(layout: Layout, names: ChainNames, family: Family): readonly Link[] {
  return DIRECTIONS.flatMap(direction => {
    const chain = direction === 'out' ? names.from : names.to
    const own = direction === 'out' ? 'F-' : 'T-'
    const dispatches = (layout.mangle.chains.get(chain) ?? []).filter(rule => rule.includes('-g'))
    return dispatches.map((rule): Link => {
      const [, kind, hash] = new RegExp(`^${names.prefix}(${own}|X-)(\\S+)$`).exec(targetOf(rule) ?? '') ?? []
      if (hash === undefined) throw unreadable(chain, rule)
      return { hash, family, direction, isStray: kind === 'X-', match: rule.slice(0, -2) }
    })
  })
}

function unreadable(chain: string, rule: Rule): TriremeError {
  return new TriremeError(
    'ERR_CONFIG',
    `chain ${chain}: rule ${JSON.stringify(rule.join(' '))} is none that this version makes; uninstall first`,
  )
}

function isTableName(name: string): name is TableName {
  return Object.hasOwn(EMPTY_LAYOUT, name)
}

/** What of one table, without the line that names it, belongs to the instance. */
export function parseTable(section: string, prefix: string): Layout[TableName] {
  const chains = new Map<string, Rule[]>()
  const jumps: Jump[] = []
  /** Chains in which a rule of others has been seen. */
  const othersIn = new Set<string>()
  for (const line of section.split('\n')) {
    const [, declared] = /^:(\S+)/.exec(line) ?? []
    if (declared?.startsWith(prefix)) chains.set(declared, [])
    const [, chain, text] = /^-A (\S+) (.*)$/.exec(line) ?? []
    if (chain === undefined || text === undefined) continue
    // Joined by single spaces again, quoted strings are what they were.
    const rule = text.split(' ')
    if (chain.startsWith(prefix)) chains.get(chain)?.push(rule)
    else if (targetOf(rule)?.startsWith(prefix)) {
      jumps.push({ from: chain, rule, ...(othersIn.has(chain) && { isBehindOthers: true }) })
    } else if (!isInstanceJump(text)) othersIn.add(chain)
  }
  return { chains, jumps }
}

/** Two instances do not fight for the first place: neither accepts anything for the other. */
function isInstanceJump(rule: string): boolean {
  return /^-j TRI-[0-9a-f]{6}-\S+$/.test(rule)
}

function puHashOf(target: string | undefined, prefix: string): string | undefined {
  return target?.startsWith(prefix) ? target.slice(prefix.length) : undefined
}
