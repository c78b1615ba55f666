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

/** Whether `loadPlugin` rejected with this because the package is not installed. */
export function isPluginMissing(error: unknown): boolean {
  return error instanceof TriremeError && error.code === 'ERR_PEER_DEPENDENCY'
}

/** Whether the package itself was not found, and not something that it imports in turn. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException
  return code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${name}'`)
}
