import { isIPv6 } from 'node:net'
import type { ContainerInspection, PortBindings } from './container-inspection.js'

/**
 * The addresses under which the container's TCP ports are published, each as `ADDRESS:PORT` or `[ADDRESS]:PORT`.
 * @param hostAddresses what "any address" means: all addresses of the host.
 */
export function publishedAddresses(
  container: ContainerInspection,
  hostAddresses: readonly string[],
): readonly string[] {
  const wanted = addressesIn(container.HostConfig.PortBindings, hostAddresses)
  const actual = addressesIn(container.NetworkSettings.Ports, hostAddresses)
  return [...new Set([...wanted, ...actual])].sort()
}

function addressesIn(bindings: PortBindings, hostAddresses: readonly string[]): readonly string[] {
  const tcp = Object.entries(bindings).filter(([port]) => port.endsWith('/tcp'))
  return tcp.flatMap(([, each]) =>
    (each ?? []).flatMap(({ HostIp, HostPort }) => {
      if (!/^\d+$/.test(HostPort) || HostPort === '0') return []
      const addresses = isAny(HostIp) ? hostAddresses : [HostIp]
      return addresses.map(address => withPort(address, HostPort))
    }),
  )
}

function isAny(address: string): boolean {
  return address === '' || address === '0.0.0.0' || address === '::'
}

function withPort(address: string, port: string): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
}
