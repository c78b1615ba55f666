/** Sections of an `iptables-save` output by the names of their tables, each without its leading `*`. */
export function sectionsOf(saved: string): ReadonlyMap<string, string> {
  const sections = saved.split(/^\*/m).slice(1)
  return new Map(sections.map(section => [section.slice(0, section.indexOf('\n')).trim(), section]))
}

/**
 * Those of the tables that an `iptables-save` output does not show completely: iptables-nft names a table with rules that it
 * cannot express in a comment, and ends with 0; a section without its last line was cut (ebtables has no COMMIT).
 * @param said all that the program wrote, standard error included.
 */
export function incompleteTables(said: string, tables: readonly string[]): readonly string[] {
  const sections = sectionsOf(said)
  const named = [...said.matchAll(/[Tt]able [`'"]?(\w+)['"]? is incompatible/g)].map(([, table]) => table)
  return tables.filter(table => {
    const section = sections.get(table)
    return named.includes(table) || (section !== undefined && !/^(?:COMMIT|# Completed .*)$/m.test(section))
  })
}
