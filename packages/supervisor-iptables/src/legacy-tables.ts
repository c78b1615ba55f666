import { KernelError } from '@trireme/core'
import { incompleteTables } from './listed-tables.js'
import { runProgram } from './run-program.js'

/** The programs of one family over the kernel's older interface (x_tables). */
export interface LegacyPrograms {
  readonly save: string
  readonly restore: string
  readonly restoreArgs: readonly string[]
  readonly tables: readonly string[]
  readonly netns: string | undefined
}

/** Lists and changes tables that no other interface shares. */
export class LegacyTables {
  readonly #programs: LegacyPrograms

  constructor(programs: LegacyPrograms) {
    this.#programs = programs
  }

  /** @throws KernelError where one of the tables that matter is not listed to its end. */
  async save(): Promise<string> {
    const { save, tables, netns } = this.#programs
    const { stdout } = await runProgram({ program: save, args: [], netns })
    const cut = incompleteTables(stdout, tables)
    if (cut.length === 0) return stdout
    throw new KernelError({
      op: save,
      errno: 'EPROTO',
      detail: `it did not list ${cut.join(', ')} to its end`,
    })
  }

  async restore(input: string): Promise<void> {
    const { restore, restoreArgs, netns } = this.#programs
    await runProgram({ program: restore, args: restoreArgs, input, netns })
  }
}
