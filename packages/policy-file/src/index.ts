/**
 * A `PolicyResolver` over a policy in YAML.
 *
 * ```ts
 * import { loadPolicyFile, policyFileResolver } from '@trireme/policy-file'
 *
 * const document = await loadPolicyFile('policy.yaml')
 * const resolver = policyFileResolver({ document, authorization: 'mutual', serverID: 'host-a' })
 * ```
 */

export { loadPolicyFile, parsePolicy } from './parse-policy.js'
export type { ExternalRule, PolicyDocument, PolicyRule, PUSettings, Selector } from './policy-document.js'
export { type PolicyFileOptions, policyFileResolver } from './policy-file-resolver.js'
export { type PolicyContext, policyFor } from './policy-for.js'
