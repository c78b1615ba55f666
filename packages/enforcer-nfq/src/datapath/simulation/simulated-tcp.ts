import { formatAddress } from '@trireme/core'
import { writeReset } from '../../packet/reset.js'
import { TcpPacket } from '../../packet/tcp-packet.js'
import { LINUX_SYN_OPTIONS, type TcpOption } from '../../testing/index.js'
import { type End, SimulatedSocket, type SocketHost } from './simulated-socket.js'

export interface SimulatedTcpOptions {
  readonly transmit: (bytes: Uint8Array) => void
  readonly setTimer: (callback: () => void, delayMs: number) => () => void
  readonly firstISN: number
  /** Default: Linux's. */
  readonly synOptions?: readonly TcpOption[]
}

/** The sockets of one network namespace. */
export class SimulatedTcp implements SocketHost {
  readonly transmit: (bytes: Uint8Array) => void
  readonly setTimer: (callback: () => void, delayMs: number) => () => void
  /** What no kernel may ever be given: a SYN or SYN-ACK with payload, or a packet that still has our option. */
  readonly violations: string[] = []
  /** Connections that a listener accepted or is about to, in order. */
  readonly accepted: SimulatedSocket[] = []
  readonly synOptions: readonly TcpOption[]
  readonly #sockets = new Map<string, SimulatedSocket>()
  readonly #listeners = new Set<number>()
  #nextISN: number

  constructor(options: SimulatedTcpOptions) {
    this.transmit = options.transmit
    this.setTimer = options.setTimer
    this.#nextISN = options.firstISN
    this.synOptions = options.synOptions ?? LINUX_SYN_OPTIONS
  }

  listen(port: number): void {
    this.#listeners.add(port)
  }

  connect(local: End, remote: End, isn: number = this.#newISN()): SimulatedSocket {
    const socket = new SimulatedSocket(this, { local, remote, isn })
    this.#sockets.set(keyOf(local, remote), socket)
    socket.connect()
    return socket
  }

  receive(bytes: Uint8Array): void {
    const packet = new TcpPacket()
    if (packet.parse(bytes, 0, bytes.length)) return
    if (packet.hasOverlayOption) this.violations.push('our option reached a kernel')
    if (packet.hasSyn && packet.payloadLength > 0) this.violations.push('a SYN with payload reached a kernel')
    const local = { address: formatAddress(packet.destination), port: packet.destinationPort }
    const remote = { address: formatAddress(packet.source), port: packet.sourcePort }
    const socket = this.#sockets.get(keyOf(local, remote))
    if (socket) socket.receive(packet)
    else if (packet.isSyn && this.#listeners.has(local.port)) this.#accept(packet, local, remote)
    else this.#refuse(packet)
  }

  connected(): readonly SimulatedSocket[] {
    return [...this.#sockets.values()]
  }

  closed(socket: SimulatedSocket): void {
    const key = keyOf(socket.local, socket.remote)
    if (this.#sockets.get(key) === socket) this.#sockets.delete(key)
  }

  #accept(packet: TcpPacket, local: End, remote: End): void {
    const socket = new SimulatedSocket(this, { local, remote, isn: this.#newISN() })
    this.#sockets.set(keyOf(local, remote), socket)
    this.accepted.push(socket)
    socket.accept(packet)
  }

  #refuse(packet: TcpPacket): void {
    const out = new Uint8Array(200)
    const length = writeReset(packet, out, true)
    if (typeof length === 'number') this.transmit(out.slice(0, length))
  }

  #newISN(): number {
    this.#nextISN = (this.#nextISN + 0x0123_4567) >>> 0
    return this.#nextISN
  }
}

function keyOf(local: End, remote: End): string {
  return `${local.address} ${local.port} ${remote.address} ${remote.port}`
}
