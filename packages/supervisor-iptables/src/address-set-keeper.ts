import { setTimeout as sleep } from 'node:timers/promises'
import { KernelError } from '@trireme/core'
import type { AddressSets } from './address-sets.js'
import { FAMILIES, type Family } from './family.js'
import type { Iptables } from './iptables.js'
import { isMissingProgram } from './run-program.js'

/** iptables-nft lets go of a rule's sets a moment after the rule is gone. */
const RELEASE_MS = 5000
const RETRY_MS = 20
/** `maxelem` of a set that the user has not chosen (ipset(8)). */
const DEFAULT_MAX_ENTRIES = 65_536

/** Makes the sets that rules need before the rules, and takes them away after them. No set of anybody else is touched. */
export class AddressSetKeeper {
  readonly #iptables: Iptables
  readonly #prefix: string
  /** Those that hold all of their networks: made by this process. */
  readonly #made = new Set<string>()
  /** Whether there may be sets that must not stay. */
  #mayHaveOthers = false

  constructor(programs: Iptables, prefix: string) {
    this.#iptables = programs
    this.#prefix = prefix
  }

  /** The rules of an earlier process use sets: they go when their rules have gone. */
  expectOthers(): void {
    this.#mayHaveOthers = true
  }

  /** @throws KernelError; what was made by then is taken away with the next change. */
  async provide(wanted: Readonly<Record<Family, AddressSets>>): Promise<void> {
    const missing = FAMILIES.flatMap(family =>
      [...wanted[family]]
        .filter(([name]) => !this.#made.has(name))
        .map(([name, list]) => ({ name, list, family })),
    )
    if (missing.length === 0) return
    this.#mayHaveOthers = true
    await this.#iptables.restoreSets(missing.map(creation).join(''))
    for (const { name } of missing) this.#made.add(name)
  }

  /** Takes away what is not wanted, but for what rules still use: that goes with a later change. */
  async retain(wanted: Readonly<Record<Family, AddressSets>>): Promise<void> {
    const keep = new Set(FAMILIES.flatMap(family => [...wanted[family].keys()]))
    if (!this.#mayHaveOthers && [...this.#made].every(name => keep.has(name))) return
    this.#mayHaveOthers = (await this.#destroyAllBut(keep)) > 0
  }

  /** @throws KernelError `EBUSY` where rules that are not ours use one of the sets, and what `listSets` throws. */
  async removeAll(): Promise<void> {
    for (const deadline = Date.now() + RELEASE_MS; ; await sleep(RETRY_MS)) {
      const busy = await this.#destroyAllBut(new Set()).catch((error: unknown) => {
        // Without ipset nobody made a set.
        if (isMissingProgram(error) && !this.#mayHaveOthers) return 0
        throw error
      })
      if (busy === 0) return
      if (Date.now() < deadline) continue
      const detail = `${busy} sets ${this.#prefix}… are used by rules of others`
      throw new KernelError({ op: 'ipset destroy', errno: 'EBUSY', detail })
    }
  }

  /** Returns how many could not go. */
  async #destroyAllBut(keep: ReadonlySet<string>): Promise<number> {
    const sets = await this.#iptables.listSets()
    const others = [...sets].filter(([name]) => name.startsWith(this.#prefix) && !keep.has(name))
    const unused = others.filter(([, references]) => references === 0).map(([name]) => name)
    if (unused.length > 0) await this.#iptables.restoreSets(unused.map(name => `destroy ${name}\n`).join(''))
    for (const name of unused) this.#made.delete(name)
    return others.length - unused.length
  }
}

interface Creation {
  readonly name: string
  readonly list: readonly string[]
  readonly family: Family
}

/** Also over what an earlier process left half filled. */
function creation({ name, list, family }: Creation): string {
  const maxEntries = Math.max(DEFAULT_MAX_ENTRIES, list.length)
  const head = `create ${name} hash:net family ${family === 'IPv4' ? 'inet' : 'inet6'} maxelem ${maxEntries}\n`
  return head + list.map(network => `add ${name} ${network}\n`).join('')
}
