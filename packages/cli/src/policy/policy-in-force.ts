import { createHash } from 'node:crypto'
import type { PolicyResolver, PUEvent, PURuntime } from '@trireme/core'
import { parsePolicy, policyFileResolver } from '@trireme/policy-file'
import { readTextFile } from '@trireme/policy-file/yaml'

/** What a daemon needs of its configuration to read its policy. */
export interface PolicySource {
  /** The policy file. */
  readonly policy: string
  readonly authorization: 'mutual' | 'receiver'
  readonly serverID: string
}

/** A policy file as it was read. */
export interface LoadedPolicy {
  readonly file: string
  /** Of its content: the first 16 hex digits of SHA-256. */
  readonly digest: string
  /** How many rules it has, over identities and over addresses. */
  readonly rules: number
  readonly resolver: PolicyResolver
}

/**
 * Reads a policy file.
 * @throws TriremeError `ERR_POLICY`: a line for every flaw, with file, line, key path, value and what was expected.
 */
export async function loadPolicy({ policy, authorization, serverID }: PolicySource): Promise<LoadedPolicy> {
  const text = await readTextFile(policy, 'ERR_POLICY')
  const document = parsePolicy(text, policy)
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 16)
  const rules = document.rules.length + document.external.length
  return { file: policy, digest, rules, resolver: policyFileResolver({ document, authorization, serverID }) }
}

/** Answers by the policy that was put in force last. */
export class PolicyInForce implements PolicyResolver {
  #current: LoadedPolicy
  #since = new Date()

  constructor(policy: LoadedPolicy) {
    this.#current = policy
  }

  get current(): LoadedPolicy {
    return this.#current
  }

  /** Since when this very content is in force. */
  get since(): Date {
    return this.#since
  }

  /** PUs that start from now on get this policy. */
  replace(policy: LoadedPolicy): void {
    if (policy.digest !== this.#current.digest) this.#since = new Date()
    this.#current = policy
  }

  resolvePolicy(contextID: string, runtime: PURuntime): ReturnType<PolicyResolver['resolvePolicy']> {
    return this.#current.resolver.resolvePolicy(contextID, runtime)
  }

  handlePUEvent(contextID: string, event: PUEvent): void {
    this.#current.resolver.handlePUEvent(contextID, event)
  }
}
