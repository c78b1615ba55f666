import { isDeepStrictEqual } from 'node:util'
import type { PUInfo, Trireme } from '@trireme/core'
import type { AuthDescription } from './auth/describe-auth.js'
import { loadSecrets } from './auth/load-secrets.js'
import type { SecretsInUse } from './auth/secrets-in-use.js'
import { type Config, loadConfig } from './config.js'
import { messageOf } from './failure.js'
import type { Log } from './log.js'
import {
  type LoadedPolicy,
  loadPolicy,
  type PolicyInForce,
  type PolicySource,
} from './policy/policy-in-force.js'
import type { Problems } from './problems.js'

/** What a reload changed, or a check found that it would change. */
export interface PolicyChange {
  readonly file: string
  readonly digest: string
  readonly rules: number
  /** IDs of the PUs whose policy it is now another. */
  readonly pus: readonly string[]
}

/** One part of a reload: what is in force now, or why what was in force stays. */
export type Reloaded<Part> = Part | { readonly error: string }

export interface ReloadReport {
  readonly secrets: Reloaded<AuthDescription>
  readonly policy: Reloaded<PolicyChange>
}

export interface ReloaderOptions {
  /** As the daemon was started with it. */
  readonly config: Config
  readonly configFile: string
  readonly log: Log
  readonly problems: Problems
  readonly auth: SecretsInUse
  readonly policy: PolicyInForce
  readonly trireme: Pick<Trireme, 'refreshPolicies' | 'puInfos'>
}

/** Reads secrets and policy again while connections come about. One reload at a time, in the order of the calls. */
export class Reloader {
  readonly #options: ReloaderOptions
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: ReloaderOptions) {
    this.#options = options
  }

  /** Each part that will not do stays as it was; the other part changes nevertheless. Never rejects. */
  reload(): Promise<ReloadReport> {
    return this.#inTurn(async () => ({
      secrets: await this.#part('secrets', () => this.#rotate()),
      policy: await this.#part('policy', async () => this.#replacePolicy(await this.#policyNamedNow())),
    }))
  }

  /** The policy alone, from the file in force: what a change of the file asks for. Says nothing where nothing changed. */
  async reloadPolicy(): Promise<void> {
    const { config, policy } = this.#options
    const source = { ...config, policy: policy.current.file }
    await this.#inTurn(() => this.#part('policy', async () => this.#replacePolicy(await loadPolicy(source))))
  }

  /** What a reload would find and change. Changes nothing. */
  check(): Promise<ReloadReport> {
    return this.#inTurn(async () => ({
      secrets: await attempt(async () => {
        const { auth, serverID } = await loadConfig(this.#options.configFile)
        const { mode, keyID, accepts } = await loadSecrets(auth, serverID)
        return { mode, keyID, accepts }
      }),
      policy: await attempt(async () => {
        const next = await this.#policyNamedNow()
        return { ...described(next), pus: await this.#differing(next) }
      }),
    }))
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    return result
  }

  async #part<Part>(name: 'secrets' | 'policy', work: () => Promise<Part>): Promise<Reloaded<Part>> {
    const { log, problems } = this.#options
    const outcome = await attempt(work)
    if ('error' in (outcome as object)) {
      const { error } = outcome as { readonly error: string }
      log.error(`reload: the ${name} stay as they were: ${error}`)
      problems.addOfReload(name, error)
    } else {
      problems.resolveReload(name)
    }
    return outcome
  }

  async #rotate(): Promise<AuthDescription> {
    const { mode, keyID, accepts } = await this.#options.auth.rotate()
    return { mode, keyID, accepts }
  }

  async #policyNamedNow(): Promise<LoadedPolicy> {
    const { config, configFile } = this.#options
    const { policy } = await loadConfig(configFile)
    const source: PolicySource = { ...config, policy }
    return loadPolicy(source)
  }

  /** PUs that start meanwhile have the new policy; those that run get it where it differs. */
  async #replacePolicy(next: LoadedPolicy): Promise<PolicyChange> {
    const { policy, trireme, log } = this.#options
    const isNew = next.digest !== policy.current.digest || next.file !== policy.current.file
    policy.replace(next)
    const pus = await trireme.refreshPolicies()
    if (isNew || pus.length > 0) log.info(`policy in force: ${describePolicy({ ...described(next), pus })}`)
    return { ...described(next), pus }
  }

  async #differing({ resolver }: LoadedPolicy): Promise<readonly string[]> {
    const { policy, trireme } = this.#options
    const changed = await Promise.all(
      trireme.puInfos().map(async ({ contextID, runtime }: PUInfo) => {
        const now = await policy.resolvePolicy(contextID, runtime)
        const then = await resolver.resolvePolicy(contextID, runtime)
        return isDeepStrictEqual(now, then) ? [] : [contextID]
      }),
    )
    return changed.flat()
  }
}

/** For people: `policy.yaml (3 rules, digest 0123456789abcdef), another one for 2 PUs: abc, def`. */
export function describePolicy({ file, rules, digest, pus }: PolicyChange): string {
  const changed =
    pus.length === 0 ? 'the same for every PU' : `another one for ${pus.length} PUs: ${pus.join(', ')}`
  return `${file} (${rules} rules, digest ${digest}), ${changed}`
}

function described({ file, digest, rules }: LoadedPolicy): Omit<PolicyChange, 'pus'> {
  return { file, digest, rules }
}

async function attempt<Part>(work: () => Promise<Part>): Promise<Reloaded<Part>> {
  try {
    return await work()
  } catch (error) {
    return { error: messageOf(error) }
  }
}
