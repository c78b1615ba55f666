import type { TcpPacket } from '../packet/tcp-packet.js'
import type { ClientFlow } from './flow.js'
import type { Path } from './path.js'

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
    const flow = this.#path.flows.client(packet.reverseFlowKey())
    if (!flow || !packet.isRst || this.#reported.has(flow)) return
    if (flow.stage === 'refused' || packet.acknowledgement !== (flow.isn + 1) >>> 0) return
    this.#reported.add(flow)
    const decision = { verdict: 'reject', reason: 'refused', rule: '', observed: false } as const
    this.#path.reporter.report({ pu: flow.pu, decision, role: 'client', key: flow.key, flowID: flow.id })
  }
}
