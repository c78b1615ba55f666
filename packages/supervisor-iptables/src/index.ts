/**
 * Supervises processing units with iptables: rules of both families bring the packets of new connections to the enforcer's
 * queues and let the kernel decide the rest. Works with iptables-nft and iptables-legacy, in this or another network namespace.
 */

export { chainPrefix } from './chain-names.js'
export type { ForeignMarkUse, ForeignRule } from './foreign-rules.js'
export type { Backend } from './iptables.js'
export {
  type IptablesSupervisorComponents,
  type IptablesSupervisorOptions,
  iptablesSupervisor,
  type RulesDisturbance,
} from './iptables-supervisor.js'
export { type FoundInstance, findInstances, isInstanceOf, removeInstance } from './left-instances.js'
export { type RulesSurvey, type SurveyOptions, surveyRules } from './rules-survey.js'
