import type { Adoption } from './adoption.js'
import type { Arrival } from './datapath/arrival.js'
import type { Path } from './datapath/path.js'
import type { PUContext } from './datapath/pu-context.js'
import { drop, refuse, setState, type Verdict } from './datapath/verdict.js'

/**
 * A segment without SYN on a connection of which the kernel knows nothing: of one that the PU had before it was enforced, or of
 * none. The rules send such segments here only while there are connections to adopt.
 */
export function decideMidStream(path: Path, pu: PUContext, arrival: Arrival, adoption: Adoption): Verdict {
  const { packet, side } = arrival
  const role = side === 'app' ? 'client' : 'server'
  const report = { pu, role, key: packet.flowKey() } as const
  if (packet.hasOverlayOption || packet.hasSyn) return drop('state')
  const taken = adoption.take(packet, side, path.now())
  if (taken === 'more') return setState('acl', 0)
  if (taken === 'first') {
    const decision = { verdict: 'accept', reason: 'adopted', rule: '', observed: false } as const
    path.reporter.report({ ...report, decision })
    return setState('acl', 0)
  }
  const decision = { verdict: 'reject', reason: 'mid-stream', rule: '', observed: false } as const
  path.reporter.report({ ...report, decision })
  return path.resets.take(pu.contextID, path.now()) ? refuse('mid-stream')(0) : drop('mid-stream')
}
