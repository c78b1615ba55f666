import { TriremeError } from '@trireme/core'

/**
 * A plugin that a preset needs, and that its user installs only if he uses the preset.
 * @param load imports the package of that name.
 * @throws TriremeError `ERR_PEER_DEPENDENCY` naming the package to install.
 */
export async function loadPlugin<Plugin>(name: string, load: () => Promise<Plugin>): Promise<Plugin> {
  try {
    return await load()
  } catch (error) {
    if (!isMissing(error, name)) throw error
    throw new TriremeError(
      'ERR_PEER_DEPENDENCY',
      `this preset needs ${name}: install it (npm install ${name})`,
      {
        cause: error,
      },
    )
  }
}

/** Loads a plugin of that name, by `loadPlugin`. */
export interface NeededPlugin {
  readonly name: string
  readonly load: () => Promise<unknown>
}

/**
 * Loads all plugins that a preset needs.
 * @throws TriremeError `ERR_PEER_DEPENDENCY` naming every package to install.
 */
export async function loadPlugins(plugins: readonly NeededPlugin[]): Promise<void> {
  const outcomes = await Promise.allSettled(plugins.map(({ load }) => load()))
  const failures = outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason] : []))
  if (failures.length === 0) return
  const names = plugins
    .filter((_, at) => outcomes[at]?.status === 'rejected' && isPluginMissing(outcomes[at].reason))
    .map(({ name }) => name)
  if (names.length < 2) throw failures.find(isPluginMissing) ?? failures[0]
  throw new TriremeError(
    'ERR_PEER_DEPENDENCY',
    `this preset needs ${names.join(', ')}: install them (npm install ${names.join(' ')})`,
    { cause: new AggregateError(failures) },
  )
}

/** Whether `loadPlugin` rejected with this because the package is not installed. */
export function isPluginMissing(error: unknown): boolean {
  return error instanceof TriremeError && error.code === 'ERR_PEER_DEPENDENCY'
}

/** Whether the package itself was not found, and not something that it imports in turn. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException
  return code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${name}'`)
}
