import { compileACL } from './acl.js'
import { TriremeError } from './errors.js'
import type { DenyWith, EnforcementMode, PUPolicy } from './policy.js'
import { compileRules } from './rule-set.js'
import { formatTag, isReservedTagKey } from './tags.js'

/**
 * Passes a policy that can be enforced.
 * @throws TriremeError `ERR_POLICY` for a rule that does not compile, an unknown action, mode or `denyWith`, or an identity
 * tag under a reserved prefix, which every peer would refuse.
 */
export function checkPolicy(policy: PUPolicy): void {
  const actions = ['police', 'allow-all'] satisfies PUPolicy['action'][]
  checkWord('action', policy.action, actions)
  checkWord('mode', policy.mode, ['enforce', 'observe'] satisfies EnforcementMode[])
  checkWord('denyWith', policy.denyWith, ['reset', 'drop'] satisfies DenyWith[])
  checkWord('dns', policy.dns ?? 'deny', ['allow', 'deny'] satisfies PUPolicy['dns'][])
  for (const tag of policy.identity) {
    if (!isReservedTagKey(tag.key)) continue
    throw policyError(`identity tag ${formatTag(tag)}: expected a key that does not begin with @ or $`)
  }
  compileRules(policy.receiverRules)
  compileRules(policy.transmitterRules)
  compileACL(policy.applicationACLs)
  compileACL(policy.networkACLs)
}

function checkWord(name: string, value: string, words: readonly string[]): void {
  if (words.includes(value)) return
  throw policyError(`${name} ${JSON.stringify(value)}: expected ${words.join(' or ')}`)
}

function policyError(message: string): TriremeError {
  return new TriremeError('ERR_POLICY', `policy: ${message}`)
}
