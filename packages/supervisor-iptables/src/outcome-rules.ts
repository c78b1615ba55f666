import {
  CONNECTION_MARK_MASK,
  connectionMark,
  type FilterQueue,
  formatKernelDecision,
  type KernelDecision,
} from '@trireme/core'
import type { PUSide } from './address-rules.js'
import { masked, type Rule, rule } from './rule.js'

/** Messages a second about one outcome of one PU; what comes beyond takes effect all the same. */
const LOGS_PER_SECOND = 500
const REFUSALS_PER_SECOND = 100

/** Tells the enforcer of a packet that the kernel decides on, and of what became of it where that has a name. */
export function logTo({ flowQueue }: FilterQueue, decision?: KernelDecision): Rule {
  const prefix = decision ? rule`--nflog-prefix ${formatKernelDecision(decision)}` : []
  return rule`${atMost(LOGS_PER_SECOND)} -j NFLOG ${prefix} --nflog-group ${flowQueue}`
}

export function atMost(perSecond: number): Rule {
  return rule`-m limit --limit ${`${perSecond}/s`} --limit-burst ${perSecond}`
}

/**
 * Reports the first packet of a flow and lets the packet pass. The mark spares a flow without answers (syslog, statsd) a report for each
 * packet.
 */
export function passRules(side: PUSide, queueNumber: number, outcome: 'accept' | 'observe'): readonly Rule[] {
  const { names, filterQueue } = side.context
  const mark = masked(connectionMark('acl', filterQueue.commands.epoch), CONNECTION_MARK_MASK)
  const isUnreported = rule`-m conntrack --ctstate NEW -m connmark ! --mark ${mark}`
  return [rule`${isUnreported} ${logTo(filterQueue, { queueNumber, outcome })}`, rule`-g ${names.acl}`]
}

/**
 * Reports and denies. The PU itself always hears of a refusal; others so many times a second, since whoever forges a source
 * address would have us answer somebody else.
 */
export function denyingRules(side: PUSide, queueNumber: number): readonly Rule[] {
  const { policy, context, direction } = side
  const rate = direction === 'in' ? atMost(REFUSALS_PER_SECOND) : []
  const answered = policy.denyWith === 'reset' ? ['tcp', 'udp'] : []
  return [
    logTo(context.filterQueue, { queueNumber, outcome: 'drop.policy' }),
    ...answered.map(protocol => rule`-p ${protocol} ${rate} -g ${context.names.refuse}`),
    rule`-j DROP`,
  ]
}
