import type { Host } from './hosts.js'
import { NetworkNamespace } from './network-namespace.js'
import { mustRun } from './run-command.js'

/** Two hosts with a router between them, over IPv4: what an attacker on the path holds. */
export interface RoutedHosts {
  readonly a: Host
  readonly b: Host
  readonly router: NetworkNamespace
  stop(): Promise<void>
}

/** Host a in 10.77.1.0/24, host b in 10.77.2.0/24; the router forwards and does nothing else. */
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
    await router.mustRun(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
    return {
      router,
      a: await attach(router, await make('a'), 1),
      b: await attach(router, await make('b'), 2),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function attach(router: NetworkNamespace, host: NetworkNamespace, net: number): Promise<Host> {
  const [ours, theirs] = [`10.77.${net}.1`, `10.77.${net}.254`]
  const port = `port${net}`
  const commands = [
    `-n ${host.name} link add eth0 type veth peer name ${port} netns ${router.name}`,
    `-n ${host.name} addr add ${ours}/24 dev eth0`,
    `-n ${host.name} link set eth0 up`,
    `-n ${router.name} addr add ${theirs}/24 dev ${port}`,
    `-n ${router.name} link set ${port} up`,
    `-n ${host.name} route add default via ${theirs}`,
  ]
  for (const command of commands) await mustRun(['ip', ...command.split(' ')])
  return { namespace: host, addresses: { IPv4: ours, IPv6: `fd00:77:${net}::1` } }
}
