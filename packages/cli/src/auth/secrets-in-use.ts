import { type Secrets, TriremeError } from '@trireme/core'
import { type Config, loadConfig } from '../config.js'
import type { Log } from '../log.js'
import { describeAuth } from './describe-auth.js'
import { type LoadedAuth, loadSecrets } from './load-secrets.js'

export interface SecretsInUseOptions {
  /** As the daemon was started with it. */
  readonly config: Config
  readonly configFile: string
  readonly log: Log
  /** Puts secrets in force, or throws and changes nothing. */
  readonly update: (secrets: readonly Secrets[]) => Promise<void>
}

/** What a daemon proves its identities with at the time, and how it takes others. */
export class SecretsInUse {
  readonly #options: SecretsInUseOptions
  #current: LoadedAuth
  #last: Promise<unknown> = Promise.resolve()

  constructor(current: LoadedAuth, options: SecretsInUseOptions) {
    this.#current = current
    this.#options = options
  }

  get current(): LoadedAuth {
    return this.#current
  }

  /**
   * Reads `auth` of the configuration and the files that it names again, and puts them in force. One at a time, in the order of
   * the calls.
   * @throws TriremeError and changes nothing where one of them will not do, or where another part of the configuration changed.
   */
  rotate(): Promise<LoadedAuth> {
    const rotated = this.#last.then(() => this.#rotateNow())
    this.#last = rotated.catch(() => {})
    return rotated
  }

  async #rotateNow(): Promise<LoadedAuth> {
    const { config, configFile, log, update } = this.#options
    const next = await loadConfig(configFile)
    const changed = otherChanges(config, next)
    if (changed.length > 0) {
      throw new TriremeError(
        'ERR_CONFIG',
        `${configFile}: ${changed.join(', ')} changed since the daemon's start: expected changes of auth and policy alone, the others take a restart`,
      )
    }
    const auth = await loadSecrets(next.auth, next.serverID)
    await update(auth.secrets)
    this.#current = auth
    log.info(`secrets in force: ${describeAuth(auth)}`)
    return auth
  }
}

/** What is read again without a restart. */
const READ_AGAIN = ['auth', 'policy']

/** Keys of the configuration whose values differ, and take a restart. */
function otherChanges(before: Config, after: Config): readonly (keyof Config)[] {
  const keys = Object.keys({ ...before, ...after }) as (keyof Config)[]
  return keys.filter(
    key => !READ_AGAIN.includes(key) && JSON.stringify(before[key]) !== JSON.stringify(after[key]),
  )
}
