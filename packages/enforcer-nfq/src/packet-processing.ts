import type { PacketProcessor, ProcessorPacket } from '@trireme/core'
import type { Arrival } from './datapath/arrival.js'
import type { Path } from './datapath/path.js'
import { drop, type Verdict } from './datapath/verdict.js'
import type { TcpPacket } from './packet/tcp-packet.js'

/** The user's own step around each decision. */
export class PacketProcessing {
  readonly #processor: PacketProcessor
  readonly #onError: (error: unknown) => void

  constructor(processor: PacketProcessor, onError: (error: unknown) => void) {
    this.#processor = processor
    this.#onError = onError
  }

  /** The drop that the processor asks for, if it does. */
  before({ packet, side, pu }: Arrival): Verdict | undefined {
    const seen = show(packet, pu?.contextID)
    const processor = this.#processor
    return this.#dropUnless(() =>
      side === 'app' ? processor.preProcessTCPAppPacket?.(seen) : processor.preProcessTCPNetPacket?.(seen),
    )
  }

  /** The verdict, or the drop that the processor asks for in its place. */
  after(path: Path, { packet, side, pu }: Arrival, verdict: Verdict): Verdict {
    const { contextID, peer } = connectionOf(path, packet)
    const seen = show(packet, pu?.contextID ?? contextID)
    const passes = verdict.action === 'accept' || verdict.action === 'set'
    const outcome = { verdict: passes ? 'accept' : 'reject', ...(peer && { peer }) } as const
    const processor = this.#processor
    const veto = this.#dropUnless(() =>
      side === 'app'
        ? processor.postProcessTCPAppPacket?.(seen, outcome)
        : processor.postProcessTCPNetPacket?.(seen, outcome),
    )
    return veto ?? verdict
  }

  #dropUnless(mayPass: () => boolean | undefined): Verdict | undefined {
    try {
      return (mayPass() ?? true) ? undefined : drop('processor')
    } catch (error) {
      this.#onError(error)
      return drop('processor')
    }
  }
}

function show(packet: TcpPacket, contextID: string | undefined): ProcessorPacket {
  return { contextID, bytes: packet.data.subarray(packet.ipOffset, packet.packetEnd) }
}

/** Whose connection it is, by either end's flow. */
function connectionOf({ clients, servers }: Path, packet: TcpPacket) {
  const ofTuple = (tuple: Uint32Array) =>
    clients.find(tuple) ?? clients.released(tuple) ?? servers.find(tuple) ?? servers.authorized(tuple)
  const flow = ofTuple(packet.tuple) ?? ofTuple(packet.reverseTuple)
  const claims = flow?.peer?.claims
  return { contextID: flow?.pu.contextID, peer: claims && { id: claims.puID, tags: claims.tags } }
}
