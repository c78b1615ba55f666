import type { NativeBatchMemory } from './binding.js'
import { MessageWriter } from './message-writer.js'

/** Room for any packet: 65,535 bytes of payload and 513 of everything else. */
const slotSize = 66_048
const slots = 16
/** Two of the largest verdicts; below the kernel's default send buffer of 212,992 bytes. */
export const txSize = 131_072

/** Memory of one batch: what came, and the verdicts that will leave together. */
export interface BatchMemory extends NativeBatchMemory {
  readonly view: DataView
  /** Verdicts of the batch in progress. */
  readonly batch: MessageWriter
  /** One verdict outside of a batch, sent before anything else can run. */
  readonly late: MessageWriter
}

let memory: BatchMemory | undefined

/**
 * The batch memory of this thread, shared by all its queues: a batch is read and answered synchronously, so no two
 * are ever in it at once. Pages are touched when they are first used.
 */
export function batchMemory(): BatchMemory {
  memory ??= allocate()
  return memory
}

function allocate(): BatchMemory {
  const rx = new Uint8Array(slots * slotSize)
  return {
    rx,
    slotSize,
    lengths: new Uint32Array(slots),
    rounds: 4,
    view: new DataView(rx.buffer),
    batch: new MessageWriter(new Uint8Array(txSize)),
    late: new MessageWriter(new Uint8Array(txSize)),
  }
}
