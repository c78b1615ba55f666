import { isIPv6 } from 'node:net'
import type { ContainerInspection, PortBindings } from './container-inspection.js'

/** What `HostIp` says where a port is published on every address that the host has, now or later. */
const ANY_ADDRESS: Readonly<Record<string, readonly string[]>> = {
  '': ['0.0.0.0', '::'],
  '0.0.0.0': ['0.0.0.0'],
  '::': ['::'],
}

/**
 * The addresses under which the container's TCP ports are published, each as `ADDRESS:PORT` or `[ADDRESS]:PORT`; `0.0.0.0` and
 * `::` stand for all of the host's, as in `PURuntime.aliases`.
 */
export function publishedAddresses(container: ContainerInspection): readonly string[] {
  const wanted = addressesIn(container.HostConfig.PortBindings)
  const actual = addressesIn(container.NetworkSettings.Ports)
  return [...new Set([...wanted, ...actual])].sort()
}

function addressesIn(bindings: PortBindings): readonly string[] {
  const tcp = Object.entries(bindings).filter(([port]) => port.endsWith('/tcp'))
  return tcp.flatMap(([, each]) =>
    (each ?? []).flatMap(({ HostIp, HostPort }) => {
      if (!/^\d+$/.test(HostPort) || HostPort === '0') return []
      return (ANY_ADDRESS[HostIp] ?? [HostIp]).map(address => withPort(address, HostPort))
    }),
  )
}

function withPort(address: string, port: string): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
}
