import { NetworkNamespace } from './network-namespace.js'
import { mustRun } from './run-command.js'

/** An address family by its everyday name. */
export type Family = 'IPv4' | 'IPv6'

export const FAMILIES: readonly Family[] = ['IPv4', 'IPv6']

/** What tests see of a host: a network namespace and the addresses by which others reach it. */
export interface Host {
  readonly namespace: NetworkNamespace
  readonly addresses: Readonly<Record<Family, string>>
}

export interface TwoHosts {
  readonly a: Host
  readonly b: Host
  stop(): Promise<void>
}

/** Two hosts on one wire, in 10.77.0.0/24 and fd00:77::/64, an interface `eth0` each. */
export async function makeTwoHosts(): Promise<TwoHosts> {
  const made: NetworkNamespace[] = []
  const stop = async () => {
    for (const namespace of made.splice(0)) await namespace.stop()
  }
  try {
    const a = await NetworkNamespace.make('a')
    made.push(a)
    const b = await NetworkNamespace.make('b')
    made.push(b)
    await mustRun([
      ...['ip', '-n', a.name, 'link', 'add', 'eth0', 'type', 'veth'],
      ...['peer', 'name', 'eth0', 'netns', b.name],
    ])
    // Both ends are up before either has an address: a link that comes up later answers no solicitation for a second.
    for (const { name } of made) await mustRun(['ip', '-n', name, 'link', 'set', 'eth0', 'up'])
    return { a: await address(a, 1), b: await address(b, 2), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** One host that speaks with itself alone. */
export async function makeHost(): Promise<Host & { stop(): Promise<void> }> {
  const namespace = await NetworkNamespace.make('host')
  return { namespace, addresses: { IPv4: '127.0.0.1', IPv6: '::1' }, stop: () => namespace.stop() }
}

async function address(namespace: NetworkNamespace, last: number): Promise<Host> {
  const addresses = { IPv4: `10.77.0.${last}`, IPv6: `fd00:77::${last}` }
  await mustRun(['ip', '-n', namespace.name, 'addr', 'add', `${addresses.IPv4}/24`, 'dev', 'eth0'])
  // Without duplicate detection the address is usable at once.
  await mustRun(['ip', '-n', namespace.name, 'addr', 'add', `${addresses.IPv6}/64`, 'dev', 'eth0', 'nodad'])
  return { namespace, addresses }
}
