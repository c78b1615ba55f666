/**
 * Where an enforcer keeps what must outlive its process: epochs, and what it knows of live flows. Without it, live flows are reset
 * at the first change of policy after a restart. Lines hold identities of peers and no secret.
 */
export interface FlowJournal {
  /** All lines, in the order in which they were written. Called once, before anything is written. */
  read(): Promise<readonly string[]>
  /** Adds lines. Calls follow one another. */
  append(lines: readonly string[]): Promise<void>
  /** Replaces all lines at once. */
  rewrite(lines: readonly string[]): Promise<void>
}

/** A journal that ends with its process. */
export function inMemoryFlowJournal(): FlowJournal {
  let kept: string[] = []
  return {
    read: async () => [...kept],
    append: async lines => void kept.push(...lines),
    rewrite: async lines => {
      kept = [...lines]
    },
  }
}
