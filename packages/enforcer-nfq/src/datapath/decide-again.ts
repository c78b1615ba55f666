import type { Arrival } from './arrival.js'
import { decideReceiver, decideTransmitter } from './decisions.js'
import type { LiveFlow } from './live-flows.js'
import { contextIDOf, edited, type Path } from './path.js'
import type { Decision } from './reporter.js'
import { decideByAddress, plain } from './unidentified.js'
import { ACCEPT, drop, refuse, type Verdict } from './verdict.js'

/** What the rules of now say of a live flow; undefined while its PU is not enforced. */
export function judgeLiveFlow(path: Path, flow: LiveFlow): Decision | undefined {
  const pu = path.pus.byContext(flow.contextID)
  if (!pu) return undefined
  if (!flow.peer) return decideByAddress(pu, flow)
  const key = Buffer.from(flow.key, 'latin1')
  const port = key.readUInt16BE(34)
  if (flow.role === 'server') return decideReceiver(pu, flow.peer, port)
  // Nobody shows an identity there any more.
  if (!path.triremeNetworks.contains(key.subarray(18, 34))) return decideByAddress(pu, flow)
  return decideTransmitter(path, pu, flow.peer, port)
}

/**
 * A segment of a connection that was decided in another epoch. Where it is known to be allowed still it passes, and the
 * settlement, which alone changes the connection's mark, is on its way; where it is not, or nobody knows whose it is, it is answered
 * with a reset. What only the settlement can tell waits for it: TCP sends the segment again.
 */
export function decideAgain(path: Path, arrival: Arrival): Verdict {
  const { packet } = arrival
  if (packet.isRst) return ACCEPT
  path.settleSoon()
  const decisions = flowsOf(path, arrival).map(flow => judgeLiveFlow(path, flow))
  const isUnknownAddress = decisions.length === 0 && arrival.state === 'acl'
  if (isUnknownAddress || decisions.includes(undefined)) return drop('state')
  if (decisions.length > 0 && decisions.every(decision => decision?.verdict === 'accept')) return ACCEPT
  return path.resets.take(contextIDOf(path, arrival), path.now())
    ? edited(plain(path, packet), refuse('policy'))
    : drop('policy')
}

/** What is known of the segment's connection. Where both ends have one entry, both must agree. */
export function flowsOf(
  { live }: Path,
  { packet, side, sharesEntry, state }: FlowArrival,
): readonly LiveFlow[] {
  const keys = [packet.flowKey(), packet.reverseFlowKey()] as const
  const [leaving, entering] = side === 'app' ? keys : ([keys[1], keys[0]] as const)
  const outbound = live.find('client', leaving, state)
  const inbound = live.find('server', entering, state)
  const across = sharesEntry
    ? [live.find('client', entering, state), live.find('server', leaving, state)]
    : []
  return [outbound, inbound, ...across].filter(flow => flow !== undefined)
}

type FlowArrival = Pick<Arrival, 'packet' | 'side' | 'sharesEntry' | 'state'>
