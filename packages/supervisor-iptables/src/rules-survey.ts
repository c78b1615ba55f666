import { PACKET_MARK_MASK } from '@trireme/core'
import { FAMILIES, type Family } from './family.js'
import { type ForeignMarkUse, type ForeignRule, foreignMarkUses, untrackedRules } from './foreign-rules.js'
import { type Iptables, type IptablesOptions, iptables, otherBackend } from './iptables.js'
import { rulesInRuleset, rulesInSave } from './placed-rules.js'
import { isMissingProgram, runProgram } from './run-program.js'

/** What of others is in a network namespace. */
export interface RulesSurvey {
  /** Families that the kernel does not have: nothing of them is enforced, and there is nothing to enforce. */
  readonly missingFamilies: readonly Family[]
  /** Rules that keep packets from conntrack: a PU's connections that they match do not open. */
  readonly untracked: readonly ForeignRule[]
  /** Rules that change mark bits of ours. */
  readonly marks: readonly ForeignMarkUse[]
}

export interface SurveyOptions extends IptablesOptions {
  /** The mark bits that are ours. Default: those of core. */
  readonly mask?: number
}

/**
 * Looks which rules of other programs keep ours from their work. Asks nft, too, where it is installed.
 * @throws KernelError where a list cannot be read completely.
 */
export async function surveyRules({
  mask = PACKET_MARK_MASK,
  ...options
}: SurveyOptions): Promise<RulesSurvey> {
  const programs = iptables(options)
  const has = await Promise.all(FAMILIES.map(family => programs.has(family)))
  const families = FAMILIES.filter((_, i) => has[i])
  const saved = await Promise.all(families.map(family => savedRules(programs, family)))
  const native = rulesInRuleset(await ruleset(options))
  const rules = [...saved.flat(), ...native]
  return {
    missingFamilies: FAMILIES.filter((_, i) => !has[i]),
    untracked: eachOnce(untrackedRules(rules)),
    marks: eachOnce(foreignMarkUses(rules, mask)),
  }
}

/** Both kernel interfaces of every family, with the rules of both. */
export async function everyBackend({ netns }: IptablesOptions): Promise<readonly Iptables[]> {
  const other = await otherBackend('IPv4', { backend: 'auto' })
  return [iptables({ backend: 'auto', netns }), iptables({ backend: other, netns })]
}

async function savedRules(programs: Iptables, family: Family) {
  return rulesInSave(await programs.save(family), family)
}

/** Empty where nft is not installed: native rules are then shown by nobody. */
async function ruleset({ netns }: IptablesOptions): Promise<string> {
  try {
    return (await runProgram({ program: 'nft', args: ['list', 'ruleset'], netns })).stdout
  } catch (error) {
    if (isMissingProgram(error)) return ''
    throw error
  }
}

/** iptables and nft both show a rule that iptables made: the first stands. */
function eachOnce<R extends ForeignRule & { readonly mark?: string; readonly overlap?: number }>(
  rules: readonly R[],
): readonly R[] {
  const places = new Map<string, R>()
  for (const rule of rules) {
    const table = rule.table.replace(/^ip6 /, 'IPv6 ').replace(/^ip /, 'IPv4 ')
    const key = [table, rule.chain, rule.mark, rule.overlap].join(' ')
    if (!places.has(key)) places.set(key, rule)
  }
  return [...places.values()]
}
