import type { PacketProcessor, ProcessorOutcome, ProcessorPacket } from '@trireme/core'

/** Counts the bytes of the packets that came by, by the peer's identity. */
export interface BytesPerIdentity extends PacketProcessor {
  /** By PU ID of the peer; `''` where the peer has shown no identity, or not yet. */
  readonly bytes: ReadonlyMap<string, number>
}

/** A packet processor that vetoes nothing. */
export function bytesPerIdentity(): BytesPerIdentity {
  const bytes = new Map<string, number>()
  const count = (packet: ProcessorPacket, { peer }: ProcessorOutcome) => {
    const id = peer?.id ?? ''
    bytes.set(id, (bytes.get(id) ?? 0) + packet.bytes.length)
    return true
  }
  return { bytes, postProcessTCPAppPacket: count, postProcessTCPNetPacket: count }
}
