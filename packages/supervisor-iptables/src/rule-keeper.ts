import { KernelError } from '@trireme/core'
import type { ChainNames } from './chain-names.js'
import { damageIn } from './damage.js'
import { EMPTY_GENERATION, type Generation, readGeneration, switchGeneration } from './generation.js'
import type { Iptables } from './iptables.js'
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

  async removeAll(): Promise<void> {
    await this.#switch(EMPTY_GENERATION)
  }

  /**
   * What other programs did to the rules: see `damageIn`. Nothing where the rules were changed while this looked, since a change
   * puts right what it finds.
   */
  async damage(): Promise<readonly string[]> {
    const made = this.#made
    if (made === EMPTY_GENERATION) return []
    const damage = damageIn(await this.read(), made)
    return made === this.#made ? damage : []
  }

  async #switch(target: Generation): Promise<void> {
    const before = this.#found
    this.#found = undefined
    await switchGeneration({ iptables: this.#iptables, names: this.#names, target, before })
    this.#made = target
  }
}

/** The kernel's first refusal. A vanished cgroup in the rules in force makes going back to them fail, too. */
export function refusalIn(error: unknown): KernelError | undefined {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  return first instanceof KernelError ? first : undefined
}

function generationOf(input: RuleInput): Generation {
  return { IPv4: layoutOf(input, 'IPv4'), IPv6: layoutOf(input, 'IPv6') }
}

/** What the programs say of a table that the kernel does not have names it. */
function isOfSecurityTable(error: unknown): boolean {
  return /\*security|'security'/.test(refusalIn(error)?.message ?? '')
}
