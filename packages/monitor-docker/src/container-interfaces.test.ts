import { expect, it } from 'vitest'
import type { ContainerInspection } from './container-inspection.js'
import { type IPLink, interfacesOf } from './container-interfaces.js'

const LOOPBACK: IPLink = { ifindex: 1, ifname: 'lo', flags: ['LOOPBACK', 'UP'] }
const INSIDE = pair('eth0', 8, 9, { link_netnsid: 0, addr_info: addresses('172.17.0.9', 'fe80::9') })
const HERE = [LOOPBACK, pair('vethb', 9, 8, { master: 'docker0', link_netnsid: 3 }), pair('vetha', 7, 6)]

it('finds the port of a bridge before each interface, with the addresses of which the engine knows', () => {
  expect(interfaces([LOOPBACK, INSIDE])).toEqual([
    { name: 'vethb', bridge: 'docker0', addresses: ['172.17.0.2', 'fd00::2'] },
  ])
})

it('takes the addresses from inside while the container has not begun', () => {
  expect(interfaces([LOOPBACK, INSIDE], true)).toMatchObject([{ addresses: ['172.17.0.9'] }])
})

it('passes over what the container can have made for itself', () => {
  const tunnel: IPLink = { ifindex: 4, ifname: 'tun0', flags: ['UP'], linkinfo: { info_kind: 'tun' } }
  expect(interfaces([LOOPBACK, tunnel, INSIDE])).toHaveLength(1)
  expect(interfaces([LOOPBACK])).toEqual([])
})

it.each([
  ['a macvlan', { ...INSIDE, linkinfo: { info_kind: 'macvlan' } }],
  ['a device', { ifindex: 8, ifname: 'eth0', flags: ['UP'] }],
  ['the end of a pair that is not here', { ...INSIDE, link_index: 99 }],
  ['the end of a pair that is at no bridge', pair('eth0', 6, 7, { link_netnsid: 0 })],
  ['the end of a pair whose other end leads elsewhere', { ...INSIDE, ifindex: 5 }],
])('refuses a container that has %s', (_, link) => {
  expect(() => interfaces([LOOPBACK, link])).toThrow(
    /container 0123456789ab: its interface eth0 .* is at no bridge/,
  )
})

function interfaces(inside: readonly IPLink[], isHeldBack = false) {
  return interfacesOf({ container: inspection(), isHeldBack, inside, here: HERE })
}

function pair(ifname: string, ifindex: number, link_index: number, rest: Partial<IPLink> = {}): IPLink {
  return { ifname, ifindex, link_index, flags: ['UP'], linkinfo: { info_kind: 'veth' }, ...rest }
}

function addresses(global: string, link: string): NonNullable<IPLink['addr_info']> {
  return [
    { local: global, scope: 'global' },
    { local: link, scope: 'link' },
  ]
}

function inspection(): ContainerInspection {
  return {
    Id: '0123456789abcdef'.repeat(4),
    Name: '/web',
    State: { Running: true, Paused: false, Pid: 1 },
    Config: { Image: 'box', Labels: {}, ExposedPorts: {} },
    HostConfig: { NetworkMode: 'default', PortBindings: {} },
    NetworkSettings: {
      Ports: {},
      Networks: {
        bridge: { IPAddress: '172.17.0.2', GlobalIPv6Address: '' },
        six: { IPAddress: '', GlobalIPv6Address: 'fd00::2' },
      },
    },
  }
}
