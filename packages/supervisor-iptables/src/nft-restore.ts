import { KernelError } from '@trireme/core'
import { targetOf } from './layout.js'
import type { NftTable } from './nft-table.js'

/** The input of a restore of one table, in three parts that take effect one after the other. */
export interface SplitRestore {
  /** Makes and fills chains and puts jumps in. Empty where there is nothing of it. */
  readonly before: string
  /** The rules that are to go: from which chain, and to which one they lead. */
  readonly deletions: readonly { readonly chain: string; readonly target: string }[]
  /** Removes chains. Empty where there is nothing of it. */
  readonly after: string
}

/** The chains from which a section of a restore's input deletes single rules. */
export function chainsDeletedFrom(section: string): readonly string[] {
  return [...new Set([...section.matchAll(/^-D (\S+)/gm)].map(([, chain]) => chain!))]
}

/** Parts a section, without its leading `*`, so that nothing has to be deleted by its text. */
export function splitRestore(section: string): SplitRestore {
  const [table = '', ...lines] = section.split('\n').filter(line => line !== '' && line !== 'COMMIT')
  const removed = lines.flatMap(line => /^-X (\S+)/.exec(line)?.[1] ?? [])
  const isRemoved = (line: string) => removed.some(chain => line.startsWith(`:${chain} `))
  const inputOf = (its: readonly string[]) =>
    its.length === 0 ? '' : `*${table}\n${its.join('\n')}\nCOMMIT\n`
  return {
    before: inputOf(lines.filter(line => !/^-[DX] /.test(line) && !isRemoved(line))),
    deletions: lines.flatMap(line => {
      const [, chain, rule] = /^-D (\S+) (.*)$/.exec(line) ?? []
      const target = rule && targetOf(rule.split(' '))
      return chain && target ? [{ chain, target }] : []
    }),
    after: inputOf([...lines.filter(isRemoved), ...removed.map(chain => `-X ${chain}`)]),
  }
}

/**
 * The handles of the rules that are to go. Of several that lead from one chain to the same, the last ones go: what was put in
 * just before stands first.
 * @throws KernelError where the table holds fewer of them.
 */
export function handlesOf(deletions: SplitRestore['deletions'], { rules }: NftTable): readonly number[] {
  const taken = new Set<number>()
  for (const { chain, target } of deletions) {
    const rule = rules.findLast(
      each => each.chain === chain && each.target === target && !taken.has(each.handle),
    )
    if (!rule) throw new KernelError({ op: 'nft', errno: 'ENOENT', detail: `no rule ${chain} -> ${target}` })
    taken.add(rule.handle)
  }
  return [...taken]
}
