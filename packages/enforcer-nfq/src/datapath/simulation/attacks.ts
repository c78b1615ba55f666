import { expect } from 'vitest'
import { CLIENT, type Differences, kindOf, parsed, SERVER, stateAt, twoHosts } from './scenarios.js'
import type { SimulatedHost } from './simulated-host.js'
import { type Tamper, WIRE_MS } from './simulated-network.js'

/** The wire as it is where nobody meddles. */
export const straight: Tamper = bytes => [{ bytes, delayMs: WIRE_MS }]

/** The wire loses every packet of these kinds. */
export function losing(...kinds: readonly string[]): Tamper {
  return bytes => (kinds.includes(kindOf(bytes)) ? [] : straight(bytes, 0))
}

/** Nothing of the connection was admitted: no mark, no socket, no byte. */
export function expectOutside(server: SimulatedHost): void {
  expect(stateAt(server)).not.toMatch(/auth|acl/)
  expect(server.tcp.accepted.filter(peer => peer.isEstablished)).toEqual([])
  expect(server.tcp.accepted.every(peer => peer.received.length === 0)).toBe(true)
}

/** A connection that got its SYN-ACK and no further: what an attacker sees who replays a SYN and reads the answer. */
export async function halfOpen() {
  const world = await twoHosts()
  world.network.tamper = losing('ack', 'data')
  const socket = world.client.tcp.connect(CLIENT, SERVER)
  world.network.run(10)
  const syn = world.network.sent.find(bytes => kindOf(bytes) === 'syn')!
  const synAck = world.network.sent.find(bytes => kindOf(bytes) === 'syn-ack')!
  const ack = world.network.sent.find(bytes => kindOf(bytes) === 'ack')!
  const [isnC, isnS] = [parsed(syn).sequence, parsed(synAck).sequence]
  const next = { sequence: isnC + 1, acknowledgement: isnS + 1 }
  return { ...world, socket, syn, synAck, ack, next, isnC, isnS }
}

/** A whole connection, what of it was on the wire, and the numbers at which it stands. */
export async function established(differences: Differences = {}) {
  const world = await twoHosts(differences)
  const socket = world.client.tcp.connect(CLIENT, SERVER)
  world.network.run(10)
  socket.write('hello')
  world.network.run(10)
  const [syn, synAck, ack] = world.network.sent as [Uint8Array, Uint8Array, Uint8Array]
  const peer = world.server.tcp.accepted[0]!
  expect([stateAt(world.client), stateAt(world.server)]).toEqual(['auth', 'auth'])
  return { ...world, socket, peer, syn, synAck, ack }
}
