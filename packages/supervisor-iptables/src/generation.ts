import type { ChainNames } from './chain-names.js'
import { FAMILIES, type Family } from './family.js'
import type { Iptables } from './iptables.js'
import { EMPTY_LAYOUT, type Layout } from './layout.js'
import { renderTransition } from './render.js'
import { parseSavedRules } from './saved-rules.js'

/** The rules of one instance in every family. */
export type Generation = Readonly<Record<Family, Layout>>

export const EMPTY_GENERATION: Generation = { IPv4: EMPTY_LAYOUT, IPv6: EMPTY_LAYOUT }

/** What the kernel holds of the instance now; nothing in a family that it does not have. */
export async function readGeneration(iptables: Iptables, names: ChainNames): Promise<Generation> {
  const [IPv4, IPv6] = await Promise.all([
    readLayout(iptables, names, 'IPv4'),
    readLayout(iptables, names, 'IPv6'),
  ])
  return { IPv4, IPv6 }
}

/** The same rules, less those of families that the kernel does not have. */
export async function thatTheKernelHas(iptables: Iptables, wanted: Generation): Promise<Generation> {
  const has = await Promise.all(FAMILIES.map(family => iptables.has(family)))
  const missing = FAMILIES.filter((_, i) => !has[i])
  return { ...wanted, ...Object.fromEntries(missing.map(family => [family, EMPTY_LAYOUT])) }
}

export interface Switch {
  readonly iptables: Iptables
  readonly names: ChainNames
  readonly target: Generation
  /** What the kernel holds now, where that was just read. */
  readonly before?: Generation | undefined
}

/**
 * Replaces the instance's rules by one restore per family. Where one fails, what was there before is there again.
 * @throws the first failure; an AggregateError, with it in front, where going back failed too.
 */
export async function switchGeneration({ iptables, names, target, before }: Switch): Promise<void> {
  const there = before ?? (await readGeneration(iptables, names))
  const outcomes = await Promise.allSettled(
    FAMILIES.map(family => restore(iptables, family, renderTransition(there[family], target[family]))),
  )
  const [error] = outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason] : []))
  if (error === undefined) return
  const failures = await goBack({ iptables, names, before: there })
  if (failures.length === 0) throw error
  throw new AggregateError([error, ...failures], [error, ...failures].map(String).join('; '))
}

interface Retreat {
  readonly iptables: Iptables
  readonly names: ChainNames
  readonly before: Generation
}

async function goBack({ iptables, names, before }: Retreat): Promise<unknown[]> {
  const failures: unknown[] = []
  for (const family of [...FAMILIES].reverse()) {
    try {
      const now = await readLayout(iptables, names, family)
      // A family whose restore failed in its first table has not changed.
      if (isSame(now, before[family])) continue
      await restore(iptables, family, renderTransition(now, before[family]))
    } catch (error) {
      failures.push(error)
    }
  }
  return failures
}

async function readLayout(iptables: Iptables, names: ChainNames, family: Family): Promise<Layout> {
  if (!(await iptables.has(family))) return EMPTY_LAYOUT
  return parseSavedRules(await iptables.save(family), names.prefix)
}

async function restore(iptables: Iptables, family: Family, input: string): Promise<void> {
  if (input !== '') await iptables.restore(family, input)
}

function isSame(a: Layout, b: Layout): boolean {
  return renderTransition(EMPTY_LAYOUT, a) === renderTransition(EMPTY_LAYOUT, b)
}
