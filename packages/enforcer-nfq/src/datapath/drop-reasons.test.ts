import type { DropReason, TokenEngine } from '@trireme/core'
import { expect, it } from 'vitest'
import {
  CLIENT,
  type Differences,
  forged,
  kindOf,
  parsed,
  readdressed,
  SERVER,
  type TwoHosts,
  twoHosts,
  web,
} from './simulation/scenarios.js'

/** What leads to each reason, and at which PU it is counted. */
const SCENES: Readonly<Record<Counted, () => Promise<Scene>>> = {
  policy: async () => at('web', await connect({ server: web({ receiverRules: [] }) })),
  format: async () => at('web', await connect({}, ({ network }) => alter(network, 'syn', 0))),
  options: async () => {
    // What may not give way leaves no room for ours.
    const synOptions = [{ raw: [253, 40, ...Array.from({ length: 38 }, () => 0)] }]
    return at('frontend', await connect({ clientHost: { synOptions } }))
  },
  version: async () => at('web', await connect({}, ({ network }) => alter(network, 'syn', 2))),
  mode: async () => at('web', await connect({}, ({ network }) => alter(network, 'syn', 4, 0x10))),
  encoding: async () => at('web', await connect({}, ({ network }) => alter(network, 'syn', 4, 0x01))),
  token: async () => at('web', await connect({ serverHost: { psk: 9 } })),
  clock: async () => {
    const world = await twoHosts()
    let syn: Uint8Array | undefined
    world.network.tamper = bytes => {
      syn = bytes
      return []
    }
    world.client.tcp.connect(CLIENT, SERVER)
    world.network.run(400_000)
    world.network.inject(syn!)
    return at('web', world)
  },
  mac: async () => at('frontend', await connect({}, ({ network }) => alter(network, 'syn-ack', -1))),
  misdirected: async () =>
    at(
      'web',
      await connect({ server: { ...web(), ports: [SERVER.port, 81] } }, ({ network }) => {
        network.tamper = bytes => [
          { bytes: readdressed(bytes, { destination: { ...SERVER, port: 81 } }), delayMs: 1 },
        ]
      }),
    ),
  'foreign-listener': async () =>
    at('web', await connect({ serverHost: { sockets: { listenerOfSyn: () => 'foreign-listener' } } })),
  replay: async () => {
    const world = await connect()
    world.network.inject(readdressed(world.network.sent[0]!, { source: { ...CLIENT, port: 40_009 } }))
    return at('web', world)
  },
  state: async () => {
    const world = await connect({}, loseAcks)
    world.network.inject(forged({ flags: ['PSH', 'ACK'], sequence: 9, acknowledgement: 9, payload: 'x' }))
    return at('web', world)
  },
  'mid-stream': async () => {
    const world = await connect({}, loseAcks)
    world.network.run(300_000)
    world.server.datapath.sweep()
    world.network.inject(forged({ flags: ['PSH', 'ACK'], sequence: 9, acknowledgement: 9, payload: 'x' }))
    return at('web', world)
  },
  'stripped-or-unenforced': async () => at('web', await connect({ clientHost: { isEnforced: false } })),
  overload: async () => {
    const world = await connect({}, loseAcks)
    world.network.run(70_000)
    return at('web', world)
  },
  timeout: async () => {
    const engine = (inner: TokenEngine): TokenEngine => ({ ...inner, verify: () => new Promise(() => {}) })
    const world = await connect({ serverHost: { engine } })
    await expect.poll(() => world.server.counters('web')['drop.timeout'], { timeout: 5000 }).toBeDefined()
    return at('web', world)
  },
  context: async () => {
    const { client } = await connect()
    client.unenforce('frontend')
    client.output(forged({ flags: ['SYN'], sequence: 5 }))
    // Nobody knows a PU: it is counted for the namespace.
    return { counters: client.datapath.counters.snapshot() }
  },
  internal: async () => {
    const engine = (inner: TokenEngine): TokenEngine => ({
      ...inner,
      verify: () => {
        throw new Error('a defect')
      },
    })
    return at('web', await connect({ serverHost: { engine } }))
  },
}

/**
 * `processor`: see packet-processing.test.ts; `refused`, see refusals.test.ts, and `no-listener`, see listeners.test.ts, are a
 * connection's, and no packet's.
 */
type Counted = Exclude<DropReason, 'processor' | 'refused' | 'no-listener'>

it.each(Object.entries(SCENES))('%s is counted where it happens', async (reason, happen) => {
  const { counters } = await happen()
  expect(counters).toHaveProperty([`drop.${reason}`])
})

it.each(['format', 'version', 'mode', 'encoding', 'misdirected'] as const)(
  '%s is found before a record is verified',
  async reason => {
    expect((await SCENES[reason]()).verifications).toBe(0)
  },
)

it('a record that was refused is not verified again, whoever sends it', async () => {
  const { network, server } = await connect({ serverHost: { psk: 9 } })
  for (let port = 1; port <= 100; port++)
    network.inject(readdressed(network.sent[0]!, { source: { ...CLIENT, port } }))
  expect(server.handshake.verifier.coldVerifications).toBe(1)
  expect(server.counters('web')['drop.token']).toBeGreaterThan(100)
})

interface Scene {
  readonly counters: Readonly<Record<string, number>>
  /** Records that the host's engine was asked about. */
  readonly verifications?: number
}

/** Of the PU alone: what is counted for the namespace does not count. */
function at(pu: 'web' | 'frontend', { client, server }: TwoHosts): Scene {
  const host = pu === 'web' ? server : client
  const verifications = host.handshake.verifier.coldVerifications
  return { counters: host.datapath.pu(pu)!.counters.snapshot(), verifications }
}

async function connect(
  differences: Differences = {},
  prepare: (world: TwoHosts) => void = () => {},
): Promise<TwoHosts> {
  const world = await twoHosts(differences)
  prepare(world)
  world.client.tcp.connect(CLIENT, SERVER)
  await world.network.runAsync(20)
  return world
}

/** Changes bits of one byte of an overlay on its way, counted from its end where negative. */
function alter(network: TwoHosts['network'], kind: 'syn' | 'syn-ack', at: number, bits = 0xff): void {
  network.tamper = bytes => {
    if (kindOf(bytes) !== kind) return [{ bytes, delayMs: 1 }]
    const packet = parsed(bytes)
    const payload = packet.payload()
    payload[at < 0 ? payload.length + at : at]! ^= bits
    return [{ bytes: readdressed(packet.data, {}), delayMs: 1 }]
  }
}

function loseAcks({ network }: TwoHosts): void {
  network.tamper = bytes => (kindOf(bytes) === 'ack' ? [] : [{ bytes, delayMs: 1 }])
}
