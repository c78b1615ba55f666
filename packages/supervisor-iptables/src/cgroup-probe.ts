import { KernelError } from '@trireme/core'
import type { ChainNames } from './chain-names.js'
import type { Iptables } from './iptables.js'
import { EMPTY_LAYOUT, type Layout } from './layout.js'
import { matchTokens } from './pu-match.js'
import { renderTransition } from './render.js'
import { type Rule, rule } from './rule.js'

/**
 * Which of the cgroup paths the kernel refuses in a rule, asked one by one in a chain that no packet meets. For after a
 * failed restore, which does not say which path it was.
 */
export async function refusedPaths(
  iptables: Iptables,
  names: ChainNames,
  paths: Iterable<string>,
): Promise<Set<string>> {
  const refused = new Set<string>()
  const mayMake = (rules: readonly Rule[]) =>
    iptables
      .restore('IPv4', renderTransition(EMPTY_LAYOUT, probe(names, rules)))
      .then(() => true, isNoRefusal)
  // Where not even an empty chain can be made, the paths are not to blame.
  if (!(await mayMake([]))) return refused
  try {
    for (const path of paths) {
      const match = matchTokens({ by: 'cgroup-path', path }, 'out')
      if (!(await mayMake([rule`${match} -j RETURN`]))) refused.add(path)
    }
  } finally {
    await iptables.restore('IPv4', renderTransition(probe(names, []), EMPTY_LAYOUT))
  }
  return refused
}

/** Not in mangle: iptables-legacy checks every rule of a table again, the vanished path in the rules in force among them. */
function probe(names: ChainNames, rules: readonly Rule[]): Layout {
  return { ...EMPTY_LAYOUT, raw: { chains: new Map([[names.probe, rules]]), jumps: [] } }
}

/** False for what the kernel refused; anything else is thrown on. */
function isNoRefusal(error: unknown): false {
  if (error instanceof KernelError) return false
  throw error
}
