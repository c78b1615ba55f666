import { isInstanceChain } from './chain-names.js'
import type { PlacedRule } from './foreign-rules.js'
import { sectionsOf } from './listed-tables.js'

/** The rules of others in an `iptables-save` output. @param family stands before the table. */
export function rulesInSave(saved: string, family: string): readonly PlacedRule[] {
  return [...sectionsOf(saved)].flatMap(([table, section]) =>
    [...section.matchAll(/^-A (\S+) (.*)$/gm)]
      .map(([, chain = '', rule = '']) => ({ table: `${family} ${table}`, chain, rule }))
      .filter(({ chain, rule }) => !isInstanceChain(chain) && !rule.startsWith('[nft ')),
  )
}

/** The rules of others in what `nft list ruleset` prints. */
export function rulesInRuleset(ruleset: string): readonly PlacedRule[] {
  const rules: PlacedRule[] = []
  let table = ''
  let chain = ''
  for (const line of ruleset.split('\n')) {
    const text = line.trim()
    const [, kind, name] = /^(table|chain|set|map|flowtable) (.+) \{$/.exec(text) ?? []
    if (kind === 'table') table = name ?? ''
    else if (kind !== undefined) chain = kind === 'chain' ? (name ?? '') : ''
    else if (text === '}') chain = ''
    else if (
      chain !== '' &&
      text !== '' &&
      !/^(?:type|policy|comment) /.test(text) &&
      !isInstanceChain(chain)
    ) {
      rules.push({ table, chain, rule: text.replace(/ packets \d+ bytes \d+/g, '') })
    }
  }
  return rules
}
