import { expect, it } from 'vitest'
import { LINUX_SYN_OPTIONS, type TcpOption } from '../testing/index.js'
import { CLIENT, kindOf, parsed, SERVER, twoHosts } from './simulation/scenarios.js'

const MPTCP: TcpOption = { mptcp: Uint8Array.of(0x01, 0x81, 1, 2, 3, 4, 5, 6, 7, 8) }

/** What stacks put into their SYNs, and whether our four bytes fit beside it. */
const stacks: readonly (readonly [string, readonly TcpOption[]])[] = [
  ['nothing', []],
  ['no timestamps', [{ mss: 1460 }, 'sack-permitted', 'nop', { windowScale: 7 }]],
  ['no selective acknowledgements', [{ mss: 1460 }, { timestamps: [1, 0] }, 'nop', { windowScale: 7 }]],
  ['Fast Open', [{ mss: 1460 }, { fastOpen: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) }]],
  [
    'multipath TCP',
    [{ mss: 1460 }, 'sack-permitted', { timestamps: [1, 0] }, 'nop', { windowScale: 7 }, MPTCP],
  ],
  [
    '40 bytes of options, Fast Open among them',
    [...LINUX_SYN_OPTIONS, { fastOpen: new Uint8Array(16).fill(7) }, 'nop', 'nop'],
  ],
  [
    '40 bytes of options, multipath TCP among them',
    [...LINUX_SYN_OPTIONS, { mptcp: new Uint8Array(18).fill(7) }],
  ],
  [
    'three words of padding in 40 bytes of options',
    [...LINUX_SYN_OPTIONS, { mptcp: new Uint8Array(6).fill(7) }, ...Array<TcpOption>(12).fill('nop')],
  ],
]

it.each(stacks)('stacks whose SYNs carry %s', async (_, synOptions) => {
  for (const ends of [{ clientHost: { synOptions } }, { serverHost: { synOptions } }]) {
    const { network, client, server } = await twoHosts(ends)
    const socket = client.tcp.connect(CLIENT, SERVER)
    socket.write('hello')
    network.run(2000)
    server.tcp.accepted[0]!.write('hi')
    network.run(100)
    expect(server.tcp.accepted[0]!.received.toString()).toBe('hello')
    expect(socket.received.toString()).toBe('hi')
    for (const host of [client, server]) expect(host.tcp.violations).toEqual([])
    const syn = network.sent.find(bytes => kindOf(bytes) === 'syn')!
    expect(parsed(syn).tcpHeaderLength).toBeLessThanOrEqual(60)
  }
})
