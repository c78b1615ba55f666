import type { NetworkNamespace } from './network-namespace.js'

const SAVES = ['iptables-nft-save', 'ip6tables-nft-save', 'iptables-legacy-save', 'ip6tables-legacy-save']

/**
 * All rules and sets of the namespace, of both implementations and families, as text: without comments, counters and tables
 * that hold nothing but built-in chains with policy ACCEPT (a table once touched stays listed).
 */
export async function rulesSnapshot(namespace: NetworkNamespace): Promise<string> {
  const saved: string[] = []
  for (const save of SAVES) saved.push(`${save}\n${normaliseRules(await namespace.mustRun([save]))}`)
  saved.push(`ipset\n${await namespace.mustRun(['ipset', 'list', '-name'])}`)
  return saved.join('\n')
}

/** The output of one `iptables-save`, as `rulesSnapshot` shows it. */
export function normaliseRules(saved: string): string {
  const lines = saved
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#') && line !== 'COMMIT')
    .map(line => line.replace(/^\[\d+:\d+\] /, '').replace(/ \[\d+:\d+\]$/, ''))
  const tables = lines.join('\n').split(/^(?=\*)/m)
  return tables.filter(table => !isUntouched(table)).join('')
}

function isUntouched(table: string): boolean {
  const [, ...rest] = table.split('\n').filter(Boolean)
  return rest.every(line => /^:[A-Z]+ ACCEPT$/.test(line))
}
