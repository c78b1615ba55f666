import { chmod, copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { KernelError, TriremeError } from '@trireme/core'
import { runtimeScript } from './runtime-script.js'

export interface RuntimeOptions {
  /** Where the runtime's files go. Default `/usr/local/lib/trireme-docker-runtime`. */
  readonly folder?: string
  /** The engine's configuration. Default `/etc/docker/daemon.json`. */
  readonly configFile?: string
}

export interface RemoveRuntimeOptions extends RuntimeOptions {
  /** Takes the script away, too: containers made with it can neither be started nor stopped any more. Default false. */
  readonly purge?: boolean
}

export interface InstallRuntimeOptions extends RuntimeOptions {
  /** The monitor's `gateSocket`. Default `DEFAULT_GATE_SOCKET`. */
  readonly gateSocket?: string
  /** How long a container waits to be enforced before it is refused. Default 10,000. */
  readonly timeoutMs?: number
  /** Whether containers get this runtime that ask for none. Default true. */
  readonly isDefault?: boolean
  /** The runtime that does the work. Default `runc`, as the engine finds it. */
  readonly runtime?: string
}

/** The runtime's name in the engine's configuration. */
export const RUNTIME_NAME = 'trireme'
export const DEFAULT_GATE_SOCKET = '/run/trireme/docker-gate.sock'

const DEFAULT_FOLDER = '/usr/local/lib/trireme-docker-runtime'
const DEFAULT_CONFIG_FILE = '/etc/docker/daemon.json'
/** What the engine calls the runtime that it uses by itself. */
const ENGINES_DEFAULT = 'runc'
const SCRIPT = 'trireme-runtime'
const STATE = 'installation.json'
const PROGRAMS = ['add-hook.mjs', 'wait-hook.mjs']

interface EngineConfig {
  readonly runtimes?: Readonly<Record<string, { readonly path?: string }>>
  readonly 'default-runtime'?: string
  readonly [setting: string]: unknown
}

/**
 * Writes the runtime's files and names it in the engine's configuration; what else is there stays. The engine takes it over at
 * its next reload (SIGHUP). Repeating it changes the settings.
 * @throws TriremeError `ERR_CONFIG` where another runtime has the name; KernelError where a file cannot be read or written.
 */
export async function installRuntime(options: InstallRuntimeOptions = {}): Promise<void> {
  const { isDefault = true, timeoutMs = 10_000, runtime = 'runc' } = options
  const { folder, configFile } = placesOf(options)
  const path = join(folder, SCRIPT)
  const config = await readConfig(configFile)
  const present = config.runtimes?.[RUNTIME_NAME]
  if (present !== undefined && present.path !== path) {
    throw new TriremeError(
      'ERR_CONFIG',
      `${configFile}: runtime ${RUNTIME_NAME} is ${present.path}: expected none, or ${path}`,
    )
  }
  const former = await readState(folder)
  const { 'default-runtime': formerDefault, ...others } = config
  const keptDefault = formerDefault === RUNTIME_NAME ? former.defaultRuntime : formerDefault
  const chosen = isDefault ? RUNTIME_NAME : keptDefault
  const gateSocket = resolve(options.gateSocket ?? DEFAULT_GATE_SOCKET)
  await doing('write runtime', async () => {
    await mkdir(folder, { recursive: true, mode: 0o755 })
    for (const program of PROGRAMS) await copyFile(sourceOf(program), join(folder, program))
    const gate = { node: process.execPath, folder, socket: gateSocket, timeoutMs }
    await replaceFile(path, runtimeScript(runtime, gate), 0o755)
    await replaceFile(join(folder, STATE), JSON.stringify({ defaultRuntime: keptDefault, runtime }), 0o644)
  })
  await writeConfig(configFile, {
    ...others,
    runtimes: { ...config.runtimes, [RUNTIME_NAME]: { path } },
    ...(chosen !== undefined && { 'default-runtime': chosen }),
  })
}

/**
 * Has the engine hold no container back any more. Idempotent. The runtime's script stays, and does what the runtime under it
 * does: the engine needs it for the containers that were made with it, as long as there are any. With `purge` it goes too.
 */
export async function removeRuntime(options: RemoveRuntimeOptions = {}): Promise<void> {
  const { folder, configFile } = placesOf(options)
  const path = join(folder, SCRIPT)
  const config = await readConfig(configFile)
  const { defaultRuntime, runtime = 'runc' } = await readState(folder)
  const isOurs = config.runtimes?.[RUNTIME_NAME]?.path === path
  if (isOurs) {
    const { runtimes = {}, 'default-runtime': chosen, ...others } = config
    const { [RUNTIME_NAME]: _, ...otherRuntimes } = runtimes
    const remaining = options.purge ? otherRuntimes : runtimes
    // An engine that is told to reload keeps the default that it had, unless another is named.
    const wanted = chosen === RUNTIME_NAME ? (defaultRuntime ?? ENGINES_DEFAULT) : chosen
    await writeConfig(configFile, {
      ...others,
      ...(Object.keys(remaining).length > 0 && { runtimes: remaining }),
      ...(wanted !== undefined && { 'default-runtime': wanted }),
    })
  }
  await doing('remove runtime', async () => {
    if (options.purge) await rm(folder, { recursive: true, force: true })
    else if (isOurs) await replaceFile(path, runtimeScript(runtime), 0o755)
  })
}

/** Whole at any moment: the engine may be starting a container. */
async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  await writeFile(`${path}.draft`, text)
  await chmod(`${path}.draft`, mode)
  await rename(`${path}.draft`, path)
}

function placesOf({ folder = DEFAULT_FOLDER, configFile = DEFAULT_CONFIG_FILE }: RuntimeOptions) {
  return { folder: resolve(folder), configFile: resolve(configFile) }
}

/** Beside both the sources and what is built of them. */
function sourceOf(program: string): string {
  return fileURLToPath(new URL(`../runtime/${program}`, import.meta.url))
}

async function readConfig(configFile: string): Promise<EngineConfig> {
  const text = await readIfThere(configFile)
  if (text === undefined || text.trim() === '') return {}
  try {
    return JSON.parse(text) as EngineConfig
  } catch (cause) {
    throw new TriremeError('ERR_CONFIG', `${configFile}: expected JSON: ${(cause as Error).message}`, {
      cause,
    })
  }
}

async function writeConfig(configFile: string, config: EngineConfig): Promise<void> {
  const draft = `${configFile}.trireme`
  await doing('write engine configuration', async () => {
    await writeFile(draft, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o644 })
    await rename(draft, configFile)
  })
}

async function readState(
  folder: string,
): Promise<{ readonly defaultRuntime?: string; readonly runtime?: string }> {
  const file = join(folder, STATE)
  const text = await readIfThere(file)
  if (text === undefined) return {}
  const { defaultRuntime, runtime } = (parseState(text) ?? {}) as Readonly<Record<string, unknown>>
  const isText = (value: unknown) => value === undefined || typeof value === 'string'
  if (typeof runtime === 'string' && isText(defaultRuntime)) {
    return { runtime, ...(typeof defaultRuntime === 'string' && { defaultRuntime }) }
  }
  throw new TriremeError(
    'ERR_CONFIG',
    `${file}: damaged: expected what \`install\` wrote; remove the file to have runc, and no former default runtime`,
  )
}

function parseState(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The caller refuses it as it refuses any other content.
    return undefined
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const { code = 'unknown', message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new KernelError({ op: 'read', errno: code, detail: message, cause })
  }
}

async function doing(op: string, action: () => Promise<unknown>): Promise<void> {
  try {
    await action()
  } catch (cause) {
    const { code = 'unknown', message } = cause as NodeJS.ErrnoException
    throw new KernelError({ op, errno: code, detail: message, cause })
  }
}
