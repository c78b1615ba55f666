import { type PUInterface, TriremeError } from '@trireme/core'
import type { ContainerInspection } from './container-inspection.js'
import { runIP } from './run-ip.js'

/** An interface as `ip -details -json address` shows it. */
export interface IPLink {
  readonly ifindex: number
  readonly ifname: string
  readonly flags: readonly string[]
  /** Of the other end of a pair, in the namespace that `link_netnsid` names; in the same one without. */
  readonly link_index?: number
  readonly link_netnsid?: number
  /** The bridge whose port it is. */
  readonly master?: string
  readonly linkinfo?: { readonly info_kind?: string }
  readonly addr_info?: readonly { readonly local?: string; readonly scope?: string }[]
}

export interface ContainerInNamespace {
  readonly container: ContainerInspection
  readonly namespacePath: string
  /** Whether it has run nothing of its own yet: what its namespace says is the engine's word then, and newer than what that wrote. */
  readonly isHeldBack: boolean
}

/** Tells what of the host is before the interfaces of a container. */
export type ReadInterfaces = (container: ContainerInNamespace) => Promise<readonly PUInterface[]>

/**
 * The ports of bridges behind which a container is, by name.
 * @throws TriremeError `ERR_UNSUPPORTED_KIND` where the container has an interface that no bridge of this host is before.
 */
export const readInterfaces: ReadInterfaces = async ({ container, namespacePath, isHeldBack }) => {
  const [inside, here] = await Promise.all([links(namespacePath), links(undefined)])
  return interfacesOf({ container, isHeldBack, inside, here })
}

export interface SeenInterfaces extends Omit<ContainerInNamespace, 'namespacePath'> {
  readonly inside: readonly IPLink[]
  readonly here: readonly IPLink[]
}

/** The same, given what both namespaces show. */
export function interfacesOf({
  container,
  isHeldBack,
  inside,
  here,
}: SeenInterfaces): readonly PUInterface[] {
  const known = isHeldBack ? globalAddresses(inside) : engineAddresses(container)
  const addresses = [...new Set(known)].sort()
  const ports = inside.filter(leadsOutside).map(link => portOf(container, link, here))
  return ports.map(port => ({ ...port, addresses })).sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function links(namespacePath: string | undefined): Promise<readonly IPLink[]> {
  return JSON.parse(await runIP(namespacePath, ['-details', '-json', 'address', 'show']))
}

/**
 * The loopback does not, nor does what the container may have made for itself: that sends by another interface in the end. What has no
 * kind is a device.
 */
function leadsOutside({ flags, link_netnsid, linkinfo }: IPLink): boolean {
  if (flags.includes('LOOPBACK')) return false
  return link_netnsid !== undefined || linkinfo?.info_kind === undefined
}

function portOf(
  { Id: id }: ContainerInspection,
  link: IPLink,
  here: readonly IPLink[],
): Pick<PUInterface, 'name' | 'bridge'> {
  const kind = link.linkinfo?.info_kind
  const port = here.find(({ ifindex, link_index }) => {
    return ifindex === link.link_index && link_index === link.ifindex
  })
  if (kind === 'veth' && port?.linkinfo?.info_kind === 'veth' && port.master !== undefined) {
    return { name: port.ifname, bridge: port.master }
  }
  throw new TriremeError(
    'ERR_UNSUPPORTED_KIND',
    `container ${id.slice(0, 12)}: its interface ${link.ifname} (${kind ?? 'a device'}) is at no bridge of this host: ` +
      'use a network of the driver bridge, or enforcement: remote',
  )
}

/** What a process of the container may have added since is none of its own. */
function engineAddresses({ NetworkSettings }: ContainerInspection): readonly string[] {
  return Object.values(NetworkSettings.Networks).flatMap(({ IPAddress, GlobalIPv6Address }) =>
    [IPAddress, GlobalIPv6Address].filter(address => address !== ''),
  )
}

function globalAddresses(inside: readonly IPLink[]): readonly string[] {
  return inside.flatMap(({ addr_info }) =>
    (addr_info ?? []).flatMap(({ local, scope }) =>
      local !== undefined && scope === 'global' ? [local] : [],
    ),
  )
}
