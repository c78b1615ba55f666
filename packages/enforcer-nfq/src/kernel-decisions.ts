import { decideAddress, type KernelDecision } from '@trireme/core'
import type { PUContext } from './datapath/pu-context.js'
import type { Decision, Reporter } from './datapath/reporter.js'
import type { PacketEnds } from './packet/logged-packet.js'

/** A packet on which the kernel decided alone. */
export interface KernelDecided {
  readonly pu: PUContext
  readonly outcome: KernelDecision['outcome']
  readonly ends: PacketEnds
  /** `app`: it leaves the PU. `net`: it is about to enter it. */
  readonly side: 'app' | 'net'
}

/**
 * Reports and counts what the kernel decided. Which rule it was, the PU's compiled rules over addresses know; where they say
 * otherwise by now, because the policy has just changed, what the kernel did stands.
 */
export function reportKernelDecision(reporter: Reporter, decided: KernelDecided): void {
  const { pu, outcome, ends, side } = decided
  if (outcome.startsWith('drop.')) pu.counters.count(outcome as `drop.policy`)
  const decision = decisionOf(decided)
  if (!decision) return
  const role = side === 'app' ? 'client' : 'server'
  reporter.report({ pu, decision, role, key: flowKeyOf(ends), protocol: ends.protocol })
}

function decisionOf({ pu, outcome, ends, side }: KernelDecided): Decision | undefined {
  if (outcome === 'drop.mid-stream') {
    return { verdict: 'reject', reason: 'mid-stream', rule: '', observed: false }
  }
  if (outcome !== 'accept' && outcome !== 'observe' && outcome !== 'drop.policy') return undefined
  const [acl, peer] = side === 'app' ? [pu.applicationACL, ends.destination] : [pu.networkACL, ends.source]
  const asked = [peer, ends.destinationPort, ends.protocol] as const
  const decision = decideAddress(acl.match(...asked), pu.policy.mode, 'policy', acl.matchObserved(...asked))
  const verdict = outcome === 'drop.policy' ? 'reject' : 'accept'
  const observed = outcome === 'observe'
  if (decision.verdict === verdict && decision.observed === observed) return decision
  return { verdict, reason: outcome === 'accept' ? '' : 'policy', rule: '', observed }
}

/** The flow key of a packet: see `TcpPacket.flowKey`. */
export function flowKeyOf({ source, sourcePort, destination, destinationPort }: PacketEnds): string {
  const key = Buffer.alloc(36)
  key.set(source)
  key.writeUInt16BE(sourcePort, 16)
  key.set(destination, 18)
  key.writeUInt16BE(destinationPort, 34)
  return key.toString('latin1')
}
