import { assertObject, assertText, assertWord, type PolicyResolver } from '@trireme/core'
import type { PolicyDocument } from './policy-document.js'
import { type PolicyContext, policyFor } from './policy-for.js'

export interface PolicyFileOptions extends PolicyContext {
  /** As `loadPolicyFile` or `parsePolicy` gives it. */
  readonly document: PolicyDocument
}

/** Answers for every PU by one policy document; a PU that no rule names is denied everything. */
export function policyFileResolver({ document, ...context }: PolicyFileOptions): PolicyResolver {
  assertObject('document', document)
  assertWord('authorization', context.authorization, ['mutual', 'receiver'])
  assertText('serverID', context.serverID)
  return {
    resolvePolicy: (_contextID, runtime) => policyFor(document, runtime, context),
    handlePUEvent: () => {},
  }
}
