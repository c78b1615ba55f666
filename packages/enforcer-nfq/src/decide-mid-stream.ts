import type { Adoption } from './adoption.js'
import type { Arrival } from './datapath/arrival.js'
import { flowsOf, judgeLiveFlow } from './datapath/decide-again.js'
import type { Path } from './datapath/path.js'
import type { PUContext } from './datapath/pu-context.js'
import { ACCEPT, drop, refuse, setState, type Verdict } from './datapath/verdict.js'

/**
 * A segment without SYN on a connection that has no entry, or one without a state: of a connection that the PU had before it was
 * enforced, of an authorized one whose entry is gone, or of none. The rules send so many of these here as can be looked at.
 */
export function decideMidStream(
  path: Path,
  pu: PUContext,
  arrival: Arrival,
  adoption: Adoption | undefined,
): Verdict {
  const { packet, side } = arrival
  if (packet.hasOverlayOption || packet.hasSyn) return drop('state')
  const role = side === 'app' ? 'client' : 'server'
  const report = { pu, role, key: packet.flowKey() } as const
  const taken = adoption?.take(packet, side, path.now())
  if (taken === 'more') return setState('acl', 0)
  if (taken === 'first') {
    const decision = { verdict: 'accept', reason: 'adopted', rule: '', observed: false } as const
    path.reporter.report({ ...report, decision })
    return setState('acl', 0)
  }
  const resumed = resume(path, pu, arrival)
  if (resumed) return resumed
  const decision = { verdict: 'reject', reason: 'mid-stream', rule: '', observed: false } as const
  path.reporter.report({ ...report, decision })
  return path.resets.take(pu.contextID, path.now()) ? refuse('mid-stream')(0) : drop('mid-stream')
}

/**
 * A connection that was let through and whose entry is gone since (`conntrack -D`, the tracker's timeout) goes on, if the rules of now
 * allow it and its socket is there still: a new socket of the tuple would have made a handshake. Whoever forges a segment has to know
 * the tuple of such a connection to be looked at, and opens nothing. Undefined where there is no such connection.
 */
function resume(path: Path, pu: PUContext, arrival: Arrival): Verdict | undefined {
  const { side, sharesEntry } = arrival
  const flows = flowsOf(path, { ...arrival, state: 'auth' })
  if (flows.length === 0 || !path.sockets.hasConnection(pu, arrival)) return undefined
  const decisions = flows.map(flow => judgeLiveFlow(path, flow))
  // A PU at the other end of this host is not enforced yet.
  if (decisions.includes(undefined)) return drop('state')
  if (decisions.some(decision => decision?.verdict === 'reject')) {
    return path.resets.take(pu.contextID, path.now()) ? refuse('policy')(0) : drop('policy')
  }
  // Where both ends have one entry the receiving end marks it.
  if (sharesEntry && side === 'app') return ACCEPT
  return setState(flows.some(({ peer }) => peer) ? 'auth' : 'acl', 0)
}
