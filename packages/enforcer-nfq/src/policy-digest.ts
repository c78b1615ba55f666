import { createHash } from 'node:crypto'
import type { PUPolicy } from '@trireme/core'

/** Equal for policies that allow the same connections of the PU, whatever it is called and however it presents itself. */
export function policyDigest(policy: PUPolicy): string {
  const { receiverRules, transmitterRules, applicationACLs, networkACLs, mode } = policy
  const text = JSON.stringify({ receiverRules, transmitterRules, applicationACLs, networkACLs, mode })
  return createHash('sha256').update(text).digest('hex')
}
