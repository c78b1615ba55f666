/**
 * An `iptables-save` output in a form that can be compared: without comments, counters, and tables that hold only empty
 * built-in chains with policy ACCEPT (a table once touched stays listed).
 */
export function comparable(saved: string): string {
  return saved
    .split(/^\*/m)
    .slice(1)
    .map(section => section.replaceAll(/^#.*\n/gm, '').replaceAll(/ \[\d+:\d+\]$/gm, ''))
    .filter(section => /^-A|^:\S+ (?!ACCEPT)/m.test(section))
    .sort()
    .join('*')
}

/** The same without the chains of the instance with this prefix and all that leads to them. */
export function withoutInstance(saved: string, prefix: string): string {
  const lines = saved.split('\n').filter(line => !line.includes(prefix))
  return comparable(lines.join('\n'))
}
