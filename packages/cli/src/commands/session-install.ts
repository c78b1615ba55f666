import { constants, existsSync, readFileSync } from 'node:fs'
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import {
  hasSessionHook,
  type ReadService,
  SESSION_HOOK,
  withoutSessionHook,
  withSessionHook,
} from '@trireme/monitor-user-session'
import { findSocket } from '../control/find-socket.js'
import { CommandFailure, EXIT, messageOf } from '../failure.js'
import { ownCommand } from '../own-command.js'
import { removeIfEmpty } from '../remove-if-empty.js'
import { requireRoot } from '../require-root.js'
import { assertRootOnly } from '../root-only.js'
import { assertStarterRuns } from '../starter.js'
import type { SessionOptions } from './session.js'

export interface SessionHookOptions extends SessionOptions {
  /** Names of PAM services. */
  readonly service: readonly string[]
  readonly pamDir: string
  /** Where the program lies that PAM runs. */
  readonly hook: string
}

const SERVICE = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/
/** Where distributions put services that the administrator may replace (pam.d(5)). */
const VENDOR_PAM_DIR = '/usr/lib/pam.d'

/**
 * `trireme session install`: sessions of these PAM services are PUs from now on. Services that an earlier version hooked get the
 * hook of this one. Changes nothing where one of them cannot be hooked safely. Idempotent.
 */
export async function sessionInstall(options: SessionHookOptions): Promise<number> {
  requireRoot('session install')
  const { pamDir, hook: program } = options
  const socket = resolve(await findSocket(options.socket, EXIT.environment))
  const hook = { program: resolve(program), command: ownCommand(), socket }
  const names = new Set([...options.service, ...(await hookedServices(pamDir))])
  const texts = new Map<string, string>()
  for (const name of names) {
    const text = await readService(serviceFile(pamDir, name))
    texts.set(name, withSessionHook({ name, text }, hook, readIncluded(pamDir)))
  }
  await assertStarterRuns()
  await mkdir(dirname(program), { recursive: true, mode: 0o755 })
  for (const [name, path] of Object.entries({ node: hook.command[0], trireme: hook.command[1] })) {
    await assertRootOnly(name, path)
  }
  await assertRootOnly('hook', dirname(program))
  const putHook = () => replaceHook(program)
  // An earlier version's script ignores the arguments of the new lines; the program refuses to run without them.
  if (!existsSync(program)) await putHook()
  for (const [name, text] of texts) await replace(serviceFile(pamDir, name), text)
  await putHook()
  return 0
}

/** `trireme session remove`: the PAM services are as they were, and the hook is gone with the last. Idempotent. */
export async function sessionRemove({ service, pamDir, hook }: SessionHookOptions): Promise<number> {
  requireRoot('session remove')
  for (const name of service) {
    const file = serviceFile(pamDir, name)
    await replace(file, withoutSessionHook(await readService(file)))
  }
  if ((await hookedServices(pamDir)).length > 0) return 0
  await rm(hook, { force: true })
  await removeIfEmpty(dirname(hook))
  return 0
}

/** Services that have a hook, by whichever version. */
async function hookedServices(pamDir: string): Promise<readonly string[]> {
  const entries = await readdir(pamDir, { withFileTypes: true })
  const names = entries.filter(entry => entry.isFile() && SERVICE.test(entry.name)).map(({ name }) => name)
  const texts = await Promise.all(names.map(name => readService(join(pamDir, name))))
  return names.filter((_, index) => hasSessionHook(texts[index]!))
}

/** Where PAM looks for what a service includes: beside the service, then among the vendor's. */
function readIncluded(pamDir: string): ReadService {
  return name => {
    const places = name.startsWith('/') ? [name] : [join(pamDir, name), join(VENDOR_PAM_DIR, name)]
    const file = places.find(existsSync)
    if (file !== undefined) return readFileSync(file, 'utf8')
    throw new CommandFailure(
      EXIT.badInput,
      `${pamDir}: a service includes ${name}: expected a file in ${pamDir}`,
    )
  }
}

/** As a whole: PAM may be starting it. */
async function replaceHook(program: string): Promise<void> {
  await rm(`${program}.new`, { force: true })
  await copyFile(SESSION_HOOK, `${program}.new`, constants.COPYFILE_EXCL)
  await chmod(`${program}.new`, 0o755)
  await rename(`${program}.new`, program)
}

function serviceFile(pamDir: string, name: string): string {
  if (SERVICE.test(name)) return join(pamDir, name)
  throw new CommandFailure(
    EXIT.badInput,
    `service ${JSON.stringify(name)}: expected the name of a file in ${pamDir}`,
  )
}

async function readService(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new CommandFailure(EXIT.badInput, `${file}: ${messageOf(cause)}: expected a PAM service`, { cause })
  }
}

/** As a whole or not at all: half a PAM service locks everybody out. */
async function replace(file: string, text: string): Promise<void> {
  const { mode } = await stat(file)
  await writeFile(`${file}.trireme`, text)
  await chmod(`${file}.trireme`, mode & 0o7777)
  await rename(`${file}.trireme`, file)
}
