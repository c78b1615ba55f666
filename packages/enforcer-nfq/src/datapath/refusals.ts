import type { TcpPacket } from '../packet/tcp-packet.js'
import { type ClientFlow, flowID } from './flow.js'
import type { Path } from './path.js'
import type { PUContext } from './pu-context.js'
import { isSuccessor } from './sequence.js'

/**
 * Reports that the other end refused a connection. The kernel lets resets pass by itself and only tells of them, so this changes
 * nothing: a reset that was forged may be reported, but it decides nothing.
 */
export class Refusals {
  readonly #path: Path
  readonly #reported = new WeakSet<ClientFlow>()

  constructor(path: Path) {
    this.#path = path
  }

  /** A reset that entered, of a connection whose handshake is under way. */
  note(packet: TcpPacket): void {
    if (!packet.isRst) return
    const { clients } = this.#path
    const flow = clients.find(packet.reverseTuple)
    const released = clients.released(packet.reverseTuple)
    if (flow) this.#noteUnderWay(flow, packet)
    else if (released && !released.isReported && !released.isRefused && answers(packet, released.isn)) {
      released.noteReported()
      this.#report(released.pu, packet.reverseFlowKey(), flowID(released.h1))
    }
  }

  #noteUnderWay(flow: ClientFlow, packet: TcpPacket): void {
    if (flow.stage === 'refused' || this.#reported.has(flow) || !answers(packet, flow.isn)) return
    this.#reported.add(flow)
    this.#report(flow.pu, flow.key, flow.id)
  }

  #report(pu: PUContext, key: string, flowID: string): void {
    const decision = { verdict: 'reject', reason: 'refused', rule: '', observed: false } as const
    this.#path.reporter.report({ pu, decision, role: 'client', key, flowID })
  }
}

function answers(packet: TcpPacket, isn: number): boolean {
  return isSuccessor(packet.acknowledgement, isn)
}
