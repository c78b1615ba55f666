import type { Call, Caller } from './caller.js'
import type { OnPath } from './on-path.js'
import { sealed } from './on-path.js'
import { type ReadSegment, readSegment, type Tuple } from './raw-client.js'

/** What a client sent from its SYN to its end, in order. */
export interface RecordedSession {
  readonly tuple: Tuple
  readonly sent: readonly ReadSegment[]
}

/** Has the caller make a connection, which is let through, and writes down what it sends. */
export async function recordSession(
  onPath: OnPath,
  caller: Caller,
  { source, ...call }: Call & { readonly source: string },
): Promise<RecordedSession> {
  const sent: ReadSegment[] = []
  onPath.treat(({ packet }) => {
    if (packet.destinationPort === call.port) sent.push(readSegment(sealed(packet)))
    return 'pass'
  })
  const outcome = await caller.call(call)
  onPath.treat(() => 'pass')
  if ('error' in outcome) throw new Error(`nothing to record: ${outcome.error}`)
  const { address: destination, port: destinationPort } = call
  return { tuple: { source, sourcePort: outcome.port, destination, destinationPort }, sent }
}
