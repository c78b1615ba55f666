import type { NetworkNamespace } from './network-namespace.js'

/** Packets that each bound queue of the namespace has seen since it was bound, by queue number. */
export async function queueCounters(namespace: NetworkNamespace): Promise<Readonly<Record<number, number>>> {
  // Columns: queue number, port ID, waiting, copy mode, copy range, dropped, dropped for the user, packets, 1
  const table = await namespace.mustRun(['cat', '/proc/net/netfilter/nfnetlink_queue'])
  const rows = table
    .split('\n')
    .filter(Boolean)
    .map(line => line.trim().split(/\s+/).map(Number))
  return Object.fromEntries(rows.map(columns => [columns[0], columns[7]]))
}

/** How many packets the namespace's conntrack could not attribute to a connection, over all processors. */
export async function conntrackInvalid(namespace: NetworkNamespace): Promise<number> {
  const statistics = await namespace.mustRun(['conntrack', '-S'])
  return [...statistics.matchAll(/\binvalid=(\d+)/g)].reduce((sum, match) => sum + Number(match[1]), 0)
}

/** The marks of the namespace's tracked TCP connections to a port. */
export async function connectionMarks(namespace: NetworkNamespace, port: number): Promise<readonly number[]> {
  const families = ['ipv4', 'ipv6'].map(family =>
    namespace.mustRun(['conntrack', '-L', '-f', family, '-p', 'tcp', '--orig-port-dst', String(port)]),
  )
  const listing = (await Promise.all(families)).join('\n')
  return [...listing.matchAll(/\bmark=(\d+)/g)].map(match => Number(match[1]))
}
