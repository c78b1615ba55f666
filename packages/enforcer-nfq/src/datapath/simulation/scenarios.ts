import { type FlowState, stateOfMark, type TagSelector, type Tags } from '@trireme/core'
import { internetChecksum, transportChecksum } from '../../packet/checksum.js'
import { IPPROTO_TCP } from '../../packet/ip-header.js'
import { TcpPacket } from '../../packet/tcp-packet.js'
import { addressBytes, type TcpDescription, tcpPacket } from '../../testing/index.js'
import type { SimulatedHost, SimulatedHostOptions, SimulatedPU } from './simulated-host.js'
import { SimulatedNetwork } from './simulated-network.js'
import type { End } from './simulated-socket.js'

export const CLIENT = { address: '192.0.2.1', port: 40_000 }
export const SERVER = { address: '192.0.2.2', port: 8080 }

const app = (value: string): Tags => [{ key: 'app', value }]

/** A rule that accepts or rejects the identity `app=value`. */
export function appRule(action: 'accept' | 'reject', value: string): TagSelector {
  return { name: `${action}-${value}`, action, clauses: [{ key: 'app', operator: '=', values: [value] }] }
}

/** The server's PU: `app=web`, lets `app=frontend` in. */
export function web(policy: SimulatedPU['policy'] = {}): SimulatedPU {
  const receiverRules = [appRule('accept', 'frontend')]
  return { id: 'web', identity: app('web'), ports: [SERVER.port], policy: { receiverRules, ...policy } }
}

/** The client's PU: `app=frontend`, may connect to `app=web`. */
export function frontend(policy: SimulatedPU['policy'] = {}): SimulatedPU {
  const transmitterRules = [appRule('accept', 'web')]
  return { id: 'frontend', identity: app('frontend'), policy: { transmitterRules, ...policy } }
}

export interface TwoHosts {
  readonly network: SimulatedNetwork
  readonly client: SimulatedHost
  readonly server: SimulatedHost
}

export interface Differences {
  readonly client?: SimulatedPU | undefined
  readonly server?: SimulatedPU | undefined
  readonly clientHost?: Partial<SimulatedHostOptions>
  readonly serverHost?: Partial<SimulatedHostOptions>
}

/** `frontend` on one host and `web`, listening, on another. */
export async function twoHosts(differences: Differences = {}): Promise<TwoHosts> {
  const network = new SimulatedNetwork()
  const client = network.addHost({
    name: 'host-a',
    addresses: [CLIENT.address],
    ...differences.clientHost,
  })
  const server = network.addHost({
    name: 'host-b',
    addresses: [SERVER.address],
    ...differences.serverHost,
  })
  await client.enforce(differences.client ?? frontend())
  await server.enforce(differences.server ?? web())
  client.ports.set(CLIENT.port, 'frontend')
  server.tcp.listen(SERVER.port)
  return { network, client, server }
}

export interface OneHost {
  readonly network: SimulatedNetwork
  readonly host: SimulatedHost
}

export const LOCAL_CLIENT = { address: '127.0.0.1', port: 40_000 }
export const LOCAL_SERVER = { address: '127.0.0.1', port: SERVER.port }

/** Both PUs in one namespace: client and server share every conntrack entry. */
export async function oneHost(
  differences: Pick<Differences, 'client' | 'server' | 'clientHost'> = {},
): Promise<OneHost> {
  const network = new SimulatedNetwork()
  const host = network.addHost({ name: 'host-a', addresses: ['127.0.0.1'], ...differences.clientHost })
  await host.enforce(differences.client ?? frontend())
  await host.enforce(differences.server ?? web())
  host.ports.set(LOCAL_CLIENT.port, 'frontend')
  host.tcp.listen(LOCAL_SERVER.port)
  return { network, host }
}

/** A parsed copy. */
export function parsed(bytes: Uint8Array): TcpPacket {
  const packet = new TcpPacket()
  const copy = Uint8Array.from(bytes)
  const fault = packet.parse(copy, 0, copy.length)
  if (fault) throw new Error(fault)
  return packet
}

export type Kind = 'syn' | 'syn-ack' | 'ack' | 'data' | 'rst' | 'fin'

/** What a packet on the wire is: `ack` is the one with MAC_c, or one without anything; `data` carries the application's. */
export function kindOf(bytes: Uint8Array): Kind {
  const packet = parsed(bytes)
  if (packet.isRst) return 'rst'
  if (packet.isSyn) return 'syn'
  if (packet.isSynAck) return 'syn-ack'
  if (packet.hasOverlayOption) return 'ack'
  if (packet.hasFin) return 'fin'
  return packet.payloadLength > 0 ? 'data' : 'ack'
}

/** A packet that anybody could send from the client's tuple to the server. */
export function forged(description: Partial<TcpDescription>): Uint8Array {
  return tcpPacket({
    source: CLIENT.address,
    sourcePort: CLIENT.port,
    destination: SERVER.address,
    destinationPort: SERVER.port,
    ...description,
  })
}

/** The packet with other addresses or ports, as a NAT or a relay makes it. */
export function readdressed(bytes: Uint8Array, ends: { source?: End; destination?: End }): Uint8Array {
  const packet = parsed(bytes)
  const { data, tcpOffset, family } = packet
  const size = family === 4 ? 4 : 16
  const at = family === 4 ? 12 : 8
  const view = new DataView(data.buffer)
  for (const [index, end] of [ends.source, ends.destination].entries()) {
    if (!end) continue
    data.set(addressBytes(end.address), at + index * size)
    view.setUint16(tcpOffset + index * 2, end.port)
  }
  if (family === 4) view.setUint16(10, 0)
  if (family === 4) view.setUint16(10, internetChecksum(data, 0, 20))
  view.setUint16(tcpOffset + 16, 0)
  view.setUint16(tcpOffset + 16, transportChecksum(data, tcpOffset, data.length, IPPROTO_TCP))
  return data
}

/** What the host's conntrack says of the connection from CLIENT to SERVER, or to other ends. */
export function stateAt(
  host: SimulatedHost,
  client: End = CLIENT,
  server: End = SERVER,
): FlowState | 'unknown' {
  const packet = parsed(
    tcpPacket({
      source: client.address,
      sourcePort: client.port,
      destination: server.address,
      destinationPort: server.port,
    }),
  )
  const entry = host.conntrack.get(packet.flowKey())
  return entry ? stateOfMark(entry.mark) : 'unknown'
}
