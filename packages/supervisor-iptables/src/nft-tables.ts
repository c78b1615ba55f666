import { KernelError, TriremeError } from '@trireme/core'
import { isInstanceChain } from './chain-names.js'
import { incompleteTables, sectionsOf } from './listed-tables.js'
import { chainsDeletedFrom, handlesOf, splitRestore } from './nft-restore.js'
import { chainsToShow, renderSection, rulesShown } from './nft-save.js'
import { type NftTable, parseNftTable, parseNftTables } from './nft-table.js'
import { isMissingProgram, type ProgramOutput, runProgram } from './run-program.js'

/** The programs of one family over nf_tables. */
export interface NftPrograms {
  /** As nft names the family. */
  readonly family: 'ip' | 'ip6' | 'bridge'
  /** Prints every table and ends with 0, or fails. */
  readonly save: string
  readonly restore: string
  readonly restoreArgs: readonly string[]
  /** Prints one chain by `-t TABLE -S CHAIN`; without it rules of a table with native ones are known by their handles alone. */
  readonly show?: string
  /** The tables that matter. */
  readonly tables: readonly string[]
  readonly netns: string | undefined
}

/**
 * Lists and changes tables which other programs share by nft. iptables-nft refuses to list a table with a rule that it did not
 * make, and to delete a rule from a chain behind such a one: here nft's own list, and the rules' handles, stand in.
 */
export class NftTables {
  readonly #programs: NftPrograms

  constructor(programs: NftPrograms) {
    this.#programs = programs
  }

  /**
   * In `iptables-save` format: the tables that matter are complete. A rule that iptables cannot express stands by its handle.
   * @throws KernelError, or TriremeError `ERR_MISSING_CAPABILITY`, where one of them cannot be read completely.
   */
  async save(): Promise<string> {
    const { tables } = this.#programs
    const saved = await this.#run(this.#programs.save, []).catch((error: unknown) => {
      if (isMissingProgram(error)) throw error
      return { error }
    })
    const said = 'error' in saved ? '' : `${saved.stdout}\n${saved.stderr}`
    const incomplete = 'error' in saved ? tables : incompleteTables(said, tables)
    if (incomplete.length === 0 && 'stdout' in saved) return saved.stdout
    const reason = 'error' in saved ? saved.error : `table ${incomplete.join(', ')} holds native rules`
    const rebuilt = await this.#rebuild(incomplete, reason)
    const whole = [...sectionsOf(said)].filter(([table]) => !incomplete.includes(table))
    return [...whole.map(([, section]) => `*${section}`), ...rebuilt].join('')
  }

  /**
   * Applies the input of a restore. Each table takes effect as a whole, but for one with a jump of ours in a chain of others that
   * iptables cannot read: there what is new comes first, and what is to go after it.
   * @throws KernelError.
   */
  async restore(input: string): Promise<void> {
    const sections = [...sectionsOf(input)]
    const shared = new Set<string>()
    for (const [table, section] of sections) {
      if (!(await this.#canShow(table, chainsDeletedFrom(section)))) shared.add(table)
    }
    if (shared.size === 0) return this.#apply(input)
    for (const [table, section] of sections) {
      await (shared.has(table) ? this.#applySplit(table, section) : this.#apply(`*${section}`))
    }
  }

  async #applySplit(table: string, section: string): Promise<void> {
    const { before, deletions, after } = splitRestore(section)
    if (before !== '') await this.#apply(before)
    const handles = handlesOf(deletions, await this.#list(table))
    const rules = deletions.map(
      ({ chain }, i) => `delete rule ${this.#programs.family} ${table} ${chain} handle ${handles[i]}\n`,
    )
    await this.#run('nft', ['-f', '-'], rules.join(''))
    if (after !== '') await this.#apply(after)
  }

  async #rebuild(tables: readonly string[], reason: unknown): Promise<readonly string[]> {
    try {
      const there = parseNftTables(await this.#nft('tables', this.#programs.family))
      const wanted = tables.filter(table => there.includes(table))
      return await Promise.all(wanted.map(table => this.#section(table)))
    } catch (error) {
      const { save, family } = this.#programs
      const detail =
        `it does not list ${family} ${tables.join(', ')} completely (${String(reason)}), ` +
        `and nft cannot either (${String(error)})`
      if (isMissingProgram(error)) throw new TriremeError('ERR_MISSING_CAPABILITY', `${save}: ${detail}`)
      throw new KernelError({ op: save, errno: 'EPROTO', detail, cause: error })
    }
  }

  async #section(table: string): Promise<string> {
    const listed = await this.#list(table)
    return renderSection(table, listed, await this.#show(table, chainsToShow(listed)))
  }

  /**
   * The chains as iptables writes them; those that it cannot write are left out. Ours are asked for together: others hardly ever
   * have native rules in them.
   */
  async #show(table: string, chains: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const { show } = this.#programs
    if (show === undefined || chains.length === 0) return new Map()
    const ours = chains.filter(isInstanceChain)
    const together = await this.#showTogether(table, ours).catch(() => undefined)
    const alone = together ? chains.filter(chain => !isInstanceChain(chain)) : chains
    const each = await Promise.all(
      // One that is not readable fails alone.
      alone.map(chain => this.#run(show, ['-t', table, '-S', chain]).catch(() => undefined)),
    )
    return new Map([...(together ?? []), ...rulesShown(each.map(output => output?.stdout ?? '').join('\n'))])
  }

  async #showTogether(table: string, chains: readonly string[]) {
    if (chains.length === 0) return undefined
    const input = `*${table}\n${chains.map(chain => `-S ${chain}\n`).join('')}COMMIT\n`
    const { stdout } = await this.#run(this.#programs.restore, this.#programs.restoreArgs, input)
    const shown = rulesShown(stdout)
    return chains.every(chain => shown.has(chain)) ? shown : undefined
  }

  async #canShow(table: string, chains: readonly string[]): Promise<boolean> {
    const { show, family } = this.#programs
    if (chains.length === 0) return true
    if (show !== undefined) return (await this.#show(table, chains)).size === chains.length
    // ebtables shows no single chain: a table is shared where it does not list it.
    const said = await this.#run(this.#programs.save, []).catch(() => undefined)
    if (said && incompleteTables(`${said.stdout}\n${said.stderr}`, [table]).length === 0) return true
    return !parseNftTables(await this.#nft('tables', family)).includes(table)
  }

  async #list(table: string): Promise<NftTable> {
    return parseNftTable(await this.#nft('table', this.#programs.family, table))
  }

  async #nft(...what: readonly string[]): Promise<string> {
    return (await this.#run('nft', ['-j', 'list', ...what])).stdout
  }

  async #apply(input: string): Promise<void> {
    await this.#run(this.#programs.restore, this.#programs.restoreArgs, input)
  }

  #run(program: string, args: readonly string[], input = ''): Promise<ProgramOutput> {
    return runProgram({ program, args, input, netns: this.#programs.netns })
  }
}
