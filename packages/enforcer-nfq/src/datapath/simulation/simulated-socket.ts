import type { TcpPacket } from '../../packet/tcp-packet.js'
import { type TcpFlag, type TcpOption, tcpPacket } from '../../testing/index.js'

/** One end of a connection. */
export interface End {
  readonly address: string
  readonly port: number
}

/** What a socket needs of the world. */
export interface SocketHost {
  transmit(bytes: Uint8Array): void
  setTimer(callback: () => void, delayMs: number): () => void
  closed(socket: SimulatedSocket): void
  /** What SYNs and SYN-ACKs carry. */
  readonly synOptions: readonly TcpOption[]
}

export type SocketState = 'syn-sent' | 'syn-received' | 'established' | 'closed'

const MSS = 1000
const SYN_TRIES = 6
const DATA_TRIES = 12
const WINDOW = 65_536

/**
 * A TCP socket that behaves as RFC 9293 and Linux do, as far as handshakes, their losses and short streams need it: resends
 * at 1, 3, 7, 15 … s before the connection is there and after 200, 600, 1,400 … ms then, no buffer for what comes out of
 * order, challenge ACKs, exact resets.
 */
export class SimulatedSocket {
  readonly local: End
  readonly remote: End
  readonly isn: number
  state: SocketState
  /** Why it is closed: `ECONNREFUSED`, `ECONNRESET`, `ETIMEDOUT`. */
  error: string | undefined
  /** The application's stream. */
  received = Buffer.alloc(0)
  /** Whether the peer has ended its stream. */
  isEnded = false
  readonly #host: SocketHost
  #sendBuffer = Buffer.alloc(0)
  #hasFin = false
  #unacknowledged: number
  #next: number
  #expected = 0
  #tries = 0
  #cancelTimer: () => void = () => {}

  constructor(host: SocketHost, ends: { local: End; remote: End; isn: number }) {
    this.#host = host
    this.local = ends.local
    this.remote = ends.remote
    this.isn = ends.isn
    this.#unacknowledged = this.#next = wrap(ends.isn + 1)
    this.state = 'syn-sent'
  }

  get isEstablished(): boolean {
    return this.state === 'established'
  }

  connect(): void {
    this.#sendSyn()
  }

  /** Answers a SYN. */
  accept(syn: TcpPacket): void {
    this.state = 'syn-received'
    this.#expected = wrap(syn.sequence + 1)
    this.#sendSyn()
  }

  write(data: string | Uint8Array): void {
    this.#sendBuffer = Buffer.concat([this.#sendBuffer, Buffer.from(data)])
    this.#sendNew()
  }

  end(): void {
    this.#hasFin = true
    this.#sendNew()
  }

  /** Closes with a reset. */
  abort(): void {
    this.#segment(['RST', 'ACK'], this.#next)
    this.#close('ECONNABORTED')
  }

  /** Closes and tells nobody, as when its host loses power. */
  vanish(): void {
    this.#close('EOWNERDEAD')
  }

  receive(packet: TcpPacket): void {
    if (this.state === 'syn-sent') this.#inSynSent(packet)
    else if (this.state === 'syn-received') this.#inSynReceived(packet)
    else if (this.state === 'established') this.#inEstablished(packet)
  }

  #inSynSent(packet: TcpPacket): void {
    const isOurs = packet.hasAck && packet.acknowledgement === wrap(this.isn + 1)
    if (packet.isRst) {
      if (isOurs) this.#close('ECONNREFUSED')
    } else if (packet.hasAck && !isOurs) {
      this.#send({ flags: ['RST'], sequence: packet.acknowledgement })
    } else if (packet.isSynAck) {
      this.#expected = wrap(packet.sequence + 1)
      this.#establish()
      this.#acknowledge()
      this.#sendNew()
    }
  }

  #inSynReceived(packet: TcpPacket): void {
    if (packet.isRst) {
      if (packet.sequence === this.#expected) this.#close('ECONNRESET')
      return
    }
    if (packet.isSyn) {
      if (wrap(packet.sequence + 1) === this.#expected) this.#segment(['SYN', 'ACK'], this.isn)
      return
    }
    if (!packet.hasAck || packet.hasSyn) return
    if (packet.acknowledgement !== wrap(this.isn + 1)) {
      this.#send({ flags: ['RST'], sequence: packet.acknowledgement })
      return
    }
    if (wrap(packet.sequence - this.#expected) >= WINDOW) return
    this.#establish()
    this.#take(packet)
    this.#sendNew()
  }

  #inEstablished(packet: TcpPacket): void {
    if (packet.isRst) {
      if (packet.sequence === this.#expected) this.#close('ECONNRESET')
      else if (wrap(packet.sequence - this.#expected) < WINDOW) this.#acknowledge()
      return
    }
    if (packet.hasSyn) {
      this.#acknowledge()
      return
    }
    if (!packet.hasAck) return
    const progress = wrap(packet.acknowledgement - this.#unacknowledged)
    if (progress > 0 && progress <= wrap(this.#next - this.#unacknowledged)) {
      this.#unacknowledged = packet.acknowledgement
      this.#tries = 0
      this.#cancelTimer()
      if (this.#unacknowledged !== this.#next) this.#startTimer(200)
    }
    this.#take(packet)
  }

  #take(packet: TcpPacket): void {
    const { payloadLength, sequence, hasFin } = packet
    if (payloadLength === 0 && !hasFin) return
    if (sequence === this.#expected && !this.isEnded) {
      this.received = Buffer.concat([this.received, packet.payload()])
      this.#expected = wrap(sequence + payloadLength + Number(hasFin))
      this.isEnded = hasFin
    }
    this.#acknowledge()
  }

  #establish(): void {
    this.state = 'established'
    this.#tries = 0
    this.#cancelTimer()
  }

  #sendSyn(): void {
    if (this.#tries++ === SYN_TRIES) {
      this.#close('ETIMEDOUT')
      return
    }
    this.#segment(this.state === 'syn-sent' ? ['SYN'] : ['SYN', 'ACK'], this.isn)
    this.#cancelTimer = this.#host.setTimer(() => this.#sendSyn(), 1000 * 2 ** (this.#tries - 1))
  }

  #sendNew(): void {
    if (this.state !== 'established') return
    const wasIdle = this.#next === this.#unacknowledged
    while (this.#sendFrom(this.#next)) this.#next = this.#endOf(this.#next)
    if (wasIdle && this.#next !== this.#unacknowledged) this.#startTimer(200)
  }

  #resend(): void {
    if (this.#tries++ === DATA_TRIES) {
      this.#close('ETIMEDOUT')
      return
    }
    this.#sendFrom(this.#unacknowledged)
    this.#startTimer(200 * 2 ** this.#tries)
  }

  #startTimer(delayMs: number): void {
    this.#cancelTimer()
    this.#cancelTimer = this.#host.setTimer(() => this.#resend(), delayMs)
  }

  /** Sends the segment that begins there, and says whether there was one. */
  #sendFrom(sequence: number): boolean {
    const from = wrap(sequence - this.isn - 1)
    const payload = this.#sendBuffer.subarray(from, from + MSS)
    const isLast = from + payload.length === this.#sendBuffer.length
    const hasFin = this.#hasFin && isLast && from <= this.#sendBuffer.length
    if (payload.length === 0 && !hasFin) return false
    this.#segment([...(hasFin ? (['FIN'] as const) : []), 'PSH', 'ACK'], sequence, payload)
    return true
  }

  #endOf(sequence: number): number {
    const from = wrap(sequence - this.isn - 1)
    const length = Math.min(MSS, this.#sendBuffer.length - from)
    const isLast = from + length === this.#sendBuffer.length
    return wrap(sequence + length + Number(this.#hasFin && isLast))
  }

  #acknowledge(): void {
    this.#segment(['ACK'], this.#next)
  }

  #segment(flags: readonly TcpFlag[], sequence: number, payload?: Uint8Array): void {
    const hasAck = flags.includes('ACK')
    this.#send({ flags, sequence, ...(hasAck ? { acknowledgement: this.#expected } : {}), payload })
  }

  #send(segment: SegmentFields): void {
    const { flags, sequence, acknowledgement = 0, payload = new Uint8Array(0) } = segment
    const bytes = tcpPacket({
      source: this.local.address,
      sourcePort: this.local.port,
      destination: this.remote.address,
      destinationPort: this.remote.port,
      flags,
      sequence,
      acknowledgement,
      payload,
      options: flags.includes('SYN') ? this.#host.synOptions : [],
    })
    this.#host.transmit(bytes)
  }

  #close(error: string): void {
    this.#cancelTimer()
    this.state = 'closed'
    this.error = error
    this.#host.closed(this)
  }
}

interface SegmentFields {
  readonly flags: readonly TcpFlag[]
  readonly sequence: number
  readonly acknowledgement?: number
  readonly payload?: Uint8Array | undefined
}

function wrap(number: number): number {
  return number >>> 0
}
