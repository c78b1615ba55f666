import { access } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfig } from '../config.js'
import { askDaemon, DaemonUnreachable } from '../control/control-client.js'
import { findSocket } from '../control/find-socket.js'
import { CommandFailure, EXIT } from '../failure.js'
import { requireRoot } from '../require-root.js'
import { type UninstalledAll, uninstallAll } from '../uninstall-all.js'
import { uninstallWithoutDaemon } from '../uninstall-without-daemon.js'

export interface UninstallOptions {
  readonly socket?: string
  readonly config?: string
  /** What any server ID left in this network namespace. */
  readonly all?: boolean
}

const UNINSTALL_MS = 60_000
const ENDING_MS = 5_000

/**
 * `trireme uninstall`: a daemon that runs does it and ends; without one, it is done by the configuration. Where anything is left, says
 * what, and ends with 1.
 */
export async function uninstallCommand({ socket, config, all }: UninstallOptions): Promise<number> {
  requireRoot('uninstall')
  if (all) return reportAll(await uninstallAll())
  if (config !== undefined) return uninstallByConfig(config, socket)
  const path = await findSocket(socket, EXIT.environment)
  await askToUninstall(path).catch((error: unknown) => {
    if (!(error instanceof DaemonUnreachable)) throw error
    throw new CommandFailure(
      EXIT.environment,
      `no daemon answers on ${path}: name its configuration with --config FILE to uninstall without it`,
    )
  })
  return 0
}

function reportAll({ removed, kept, left }: UninstalledAll): number {
  for (const what of removed) process.stdout.write(`removed: ${what}\n`)
  for (const what of kept) process.stdout.write(`kept: ${what}\n`)
  if (removed.length + kept.length + left.length === 0) process.stdout.write('nothing is left here\n')
  for (const what of left) process.stderr.write(`trireme: ${what}\n`)
  return left.length === 0 ? 0 : 1
}

async function uninstallByConfig(file: string, socket: string | undefined): Promise<number> {
  const config = await loadConfig(file)
  try {
    await askToUninstall(socket ?? config.socket)
  } catch (error) {
    if (!(error instanceof DaemonUnreachable)) throw error
    const left = await uninstallWithoutDaemon(config)
    for (const what of left) process.stderr.write(`trireme: ${what}\n`)
    return left.length === 0 ? 0 : 1
  }
  return 0
}

/** Resolves when the daemon has let go of its socket, the last thing that it does. */
async function askToUninstall(socket: string): Promise<void> {
  await askDaemon({ socket, method: 'POST', path: '/v1/uninstall', timeoutMs: UNINSTALL_MS })
  const deadline = Date.now() + ENDING_MS
  while (await exists(socket)) {
    if (Date.now() > deadline) {
      throw new CommandFailure(1, `the daemon on ${socket} has uninstalled everything, and does not end`)
    }
    await sleep(20)
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
