import { KernelError } from '@trireme/core'
import type { ChainNames } from './chain-names.js'
import { damageIn, leftIn } from './damage.js'
import { FAMILIES } from './family.js'
import {
  EMPTY_GENERATION,
  type Generation,
  readGeneration,
  switchGeneration,
  thatTheKernelHas,
} from './generation.js'
import type { Iptables } from './iptables.js'
import { EMPTY_LAYOUT } from './layout.js'
import { layoutOf, type RuleInput } from './rules.js'

/** Makes the kernel's rules of one instance, and knows what they should be. */
export class RuleKeeper {
  readonly #iptables: Iptables
  readonly #names: ChainNames
  /** The kernel's rules, between their reading at the start and the switch that follows. */
  #found: Generation | undefined
  /** What was made last. */
  #made: Generation = EMPTY_GENERATION
  #hasSecurityTable = true

  constructor(programs: Iptables, names: ChainNames) {
    this.#iptables = programs
    this.#names = names
  }

  /** What the kernel has of the instance now. */
  read(): Promise<Generation> {
    return readGeneration(this.#iptables, this.#names)
  }

  /** What has just been read is good for the next change, and for no later one. */
  startFrom(found: Generation | undefined): void {
    this.#found = found
  }

  /**
   * Replaces the rules as a whole. Some kernels are built without the table `security`: there the rules do without its second look
   * at what was refused.
   */
  async make(input: RuleInput): Promise<void> {
    try {
      await this.#switch(generationOf({ ...input, hasSecurityTable: this.#hasSecurityTable }))
    } catch (error) {
      if (!this.#hasSecurityTable || !isOfSecurityTable(error)) throw error
      this.#hasSecurityTable = false
      await this.#switch(generationOf({ ...input, hasSecurityTable: false }))
    }
  }

  /** @throws KernelError naming what is still there, where something is. */
  async removeAll(): Promise<void> {
    await this.#switch(EMPTY_GENERATION)
    const left = leftIn(await this.read())
    if (left.length > 0) throw new KernelError({ op: 'iptables', errno: 'EBUSY', detail: stillThere(left) })
  }

  /**
   * What other programs did to the rules: see `damageIn`; a family that the kernel has got since is damage, too. Nothing where the
   * rules were changed while this looked, since a change puts right what it finds.
   */
  async damage(): Promise<readonly string[]> {
    const made = this.#made
    if (made === EMPTY_GENERATION) return []
    const damage = [...(await this.newFamilies()), ...damageIn(await this.read(), made)]
    return made === this.#made ? damage : []
  }

  /** Whether rules are wanted in a family that the kernel does not have. */
  get lacksFamily(): boolean {
    return this.#made !== EMPTY_GENERATION && FAMILIES.some(family => this.#made[family] === EMPTY_LAYOUT)
  }

  /** Those of them that the kernel has by now, a few words each. */
  async newFamilies(): Promise<readonly string[]> {
    if (!this.lacksFamily) return []
    const missing = FAMILIES.filter(family => this.#made[family] === EMPTY_LAYOUT)
    const has = await Promise.all(missing.map(family => this.#iptables.has(family)))
    return missing.filter((_, i) => has[i]).map(family => `${family}: new in this kernel`)
  }

  async #switch(wanted: Generation): Promise<void> {
    const before = this.#found
    this.#found = undefined
    const target = await thatTheKernelHas(this.#iptables, wanted)
    await switchGeneration({ iptables: this.#iptables, names: this.#names, target, before })
    this.#made = wanted === EMPTY_GENERATION ? wanted : target
  }
}

/** The kernel's first refusal. A vanished cgroup in the rules in force makes going back to them fail, too. */
export function refusalIn(error: unknown): KernelError | undefined {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  return first instanceof KernelError ? first : undefined
}

function stillThere(left: readonly string[]): string {
  return `rules of this server ID are still there after their removal: ${left.join('; ')}`
}

function generationOf(input: RuleInput): Generation {
  return { IPv4: layoutOf(input, 'IPv4'), IPv6: layoutOf(input, 'IPv6') }
}

/** What the programs say of a table that the kernel does not have names it. */
function isOfSecurityTable(error: unknown): boolean {
  return /\*security|'security'/.test(refusalIn(error)?.message ?? '')
}
