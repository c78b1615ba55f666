import type { Host } from './hosts.js'
import { NetworkNamespace } from './network-namespace.js'
import { mustRun } from './run-command.js'

/** Three hosts, each on a wire of its own to one router: what an attacker on the path holds. */
export interface RoutedHosts {
  readonly a: Host
  readonly b: Host
  readonly c: Host
  readonly router: NetworkNamespace
  stop(): Promise<void>
}

/**
 * Hosts a, b and c in 10.77.1.0/24, 10.77.2.0/24 and 10.77.3.0/24, and in fd00:77:1::/64 and so on. Their interface is `eth0`,
 * the router's towards them are `port1`, `port2` and `port3`; it forwards and does nothing else.
 */
export async function makeRoutedHosts(): Promise<RoutedHosts> {
  const made: NetworkNamespace[] = []
  const make = async (what: string) => {
    const namespace = await NetworkNamespace.make(what)
    made.push(namespace)
    return namespace
  }
  const stop = async () => {
    for (const namespace of made.splice(0)) await namespace.stop()
  }
  try {
    const router = await make('router')
    await setSysctl(router, 'net/ipv4/ip_forward', 1)
    await setSysctl(router, 'net/ipv6/conf/all/forwarding', 1)
    const [a, b, c] = [await make('a'), await make('b'), await make('c')]
    return {
      router,
      a: await attach(router, a, 1),
      b: await attach(router, b, 2),
      c: await attach(router, c, 3),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** From now on every namespace's conntrack is strict about TCP windows, and the router drops what its own calls INVALID. */
export async function makeStrict({ a, b, router }: RoutedHosts): Promise<void> {
  for (const namespace of [a.namespace, b.namespace, router])
    await setSysctl(namespace, 'net/netfilter/nf_conntrack_tcp_be_liberal', 0)
  for (const iptables of ['iptables-nft', 'ip6tables-nft']) {
    const rule = ['-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'INVALID', '-j', 'DROP']
    await router.mustRun([iptables, ...rule])
  }
}

/** Sets a kernel parameter of the namespace, by its path under /proc/sys. */
export async function setSysctl(namespace: NetworkNamespace, path: string, value: number): Promise<void> {
  await namespace.mustRun(['sh', '-c', `echo ${value} > /proc/sys/${path}`])
}

async function attach(router: NetworkNamespace, host: NetworkNamespace, net: number): Promise<Host> {
  const ours = { IPv4: `10.77.${net}.1`, IPv6: `fd00:77:${net}::1` }
  const theirs = { IPv4: `10.77.${net}.254`, IPv6: `fd00:77:${net}::254` }
  const port = `port${net}`
  const commands = [
    `-n ${host.name} link add eth0 type veth peer name ${port} netns ${router.name}`,
    `-n ${host.name} addr add ${ours.IPv4}/24 dev eth0`,
    `-n ${host.name} addr add ${ours.IPv6}/64 dev eth0 nodad`,
    `-n ${host.name} link set eth0 up`,
    `-n ${router.name} addr add ${theirs.IPv4}/24 dev ${port}`,
    `-n ${router.name} addr add ${theirs.IPv6}/64 dev ${port} nodad`,
    `-n ${router.name} link set ${port} up`,
    `-n ${host.name} route add default via ${theirs.IPv4}`,
    `-n ${host.name} route add default via ${theirs.IPv6}`,
  ]
  for (const command of commands) await mustRun(['ip', ...command.split(' ')])
  return { namespace: host, addresses: ours }
}
