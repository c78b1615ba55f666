import { assertObject, assertText, assertWord, type PolicyResolver, type PURuntime } from '@trireme/core'
import { nearestTag } from './nearest-selector.js'
import type { PolicyDocument } from './policy-document.js'
import { isSelected, type PolicyContext, policyFor } from './policy-for.js'

export interface PolicyFileOptions extends PolicyContext {
  /** As `loadPolicyFile` or `parsePolicy` gives it. */
  readonly document: PolicyDocument
}

/** Answers for every PU by one policy document. A PU that no rule selects is denied everything, and its record says so. */
export function policyFileResolver({ document, ...context }: PolicyFileOptions): PolicyResolver {
  assertObject('document', document)
  assertWord('authorization', context.authorization, ['mutual', 'receiver'])
  assertText('serverID', context.serverID)
  return {
    resolvePolicy(_contextID, runtime) {
      const policy = policyFor(document, runtime, context)
      if (isSelected(document, runtime, context)) return policy
      return { ...policy, warnings: [unselected(document, runtime)] }
    },
    handlePUEvent: () => {},
  }
}

function unselected(document: PolicyDocument, { tags }: PURuntime): string {
  const near = nearestTag(document, tags)
  const text = 'no rule of the policy selects this PU'
  if (near === undefined) return text
  const letters = near.distance === 1 ? 'one letter' : 'two letters'
  return `${text}: its ${near.carried} is ${letters} away from ${near.selected}`
}
