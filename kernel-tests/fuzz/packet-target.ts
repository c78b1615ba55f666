import { attachOverlay, stripOverlay, stripPayload } from '../../packages/enforcer-nfq/src/packet/edit.js'
import { rewriteToReset, writeReset } from '../../packages/enforcer-nfq/src/packet/reset.js'
import { TcpPacket } from '../../packages/enforcer-nfq/src/packet/tcp-packet.js'
import {
  LINUX_SYN_OPTIONS,
  type TcpDescription,
  tcpPacket,
} from '../../packages/enforcer-nfq/src/testing/index.js'
import type { Target } from './target.js'

const V4 = { source: '10.0.0.1', destination: '10.0.0.2' }
const V6 = { source: 'fd00::1', destination: 'fd00::2' }
const TCP = { sourcePort: 40_000, destinationPort: 80, sequence: 1_000, acknowledgement: 2_000 }
const OVERLAY = new Uint8Array(40).fill(0x77)
/** An IPv6 extension header of each kind that is walked over: hop-by-hop, routing, fragment, destination options. */
const EXTENSIONS = [
  { kind: 0, body: Uint8Array.of(1, 4) },
  { kind: 43, body: Uint8Array.of(4, 0) },
  { kind: 44, body: Uint8Array.of(0, 0) },
  { kind: 60, body: Uint8Array.of(1, 12) },
]
const MANY_OPTIONS = [...LINUX_SYN_OPTIONS, { fastOpen: Uint8Array.of(1, 2) }, 'overlay'] as const

const SEEDS: readonly TcpDescription[] = [
  { ...V4, ...TCP, flags: ['SYN'], options: LINUX_SYN_OPTIONS },
  { ...V4, ...TCP, flags: ['SYN'], options: [...LINUX_SYN_OPTIONS, 'overlay'], payload: OVERLAY },
  { ...V4, ...TCP, flags: ['SYN', 'ACK'], options: MANY_OPTIONS, payload: OVERLAY },
  { ...V4, ...TCP, flags: ['ACK'], options: ['overlay'], payload: OVERLAY },
  {
    ...V4,
    ...TCP,
    flags: ['PSH', 'ACK', 'FIN'],
    payload: 'some data of an application',
    ipOptions: Uint8Array.of(148, 4, 0, 0),
  },
  { ...V4, ...TCP, flags: ['RST'] },
  { ...V6, ...TCP, flags: ['SYN'], options: [...LINUX_SYN_OPTIONS, 'overlay'], payload: OVERLAY },
  { ...V6, ...TCP, flags: ['ACK'], options: ['overlay'], payload: OVERLAY, extensionHeaders: EXTENSIONS },
  { ...V6, ...TCP, flags: ['ACK'], options: [{ mptcp: new Uint8Array(10) }], payload: 'data' },
]

const packet = new TcpPacket()
const out = new Uint8Array(68 * 1_024)
const MARGIN = 64

/** The parser and every edit of what it took. What lies around the packet is poisoned twice, and must not count. */
export const PACKET_TARGET: Target = {
  name: 'packets',
  seeds: SEEDS.map(tcpPacket),
  run(bytes) {
    const learnt = learn(bytes, 0x00)
    if (learn(bytes, 0xff) !== learnt) throw new Error('bytes outside the packet count')
  },
}

function learn(bytes: Uint8Array, poison: number): string {
  const data = new Uint8Array(bytes.length + 2 * MARGIN).fill(poison)
  data.set(bytes, MARGIN)
  const fault = packet.parse(data, MARGIN, bytes.length)
  if (fault !== undefined) return fault
  if (packet.packetEnd > MARGIN + bytes.length || packet.payloadOffset > packet.packetEnd)
    throw new Error('the packet ends past its end')
  const edits = [
    attachOverlay(packet, OVERLAY, out),
    stripOverlay(packet, out),
    stripPayload(packet, out),
    rewriteToReset(packet, out),
    writeReset(packet, out, true),
  ]
  const { flags, sequence, acknowledgement, hasOverlayOption, optionsEnd, payloadLength } = packet
  const facts = [flags, sequence, acknowledgement, hasOverlayOption, optionsEnd, payloadLength]
  return [...facts, ...edits, packet.flowKey(), packet.reverseFlowKey()].join()
}
