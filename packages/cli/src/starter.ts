import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { SESSION_HOOK } from '@trireme/monitor-user-session'
import { CommandFailure, EXIT, messageOf } from './failure.js'

const execute = promisify(execFile)

/**
 * Passes when `SESSION_HOOK` runs on this machine: without arguments it ends with 1; a file for another architecture does not start.
 * @throws CommandFailure
 */
export async function assertStarterRuns(): Promise<void> {
  const error = await execute(SESSION_HOOK, []).catch(failure => failure)
  if (error?.code === 1) return
  const build = join(dirname(dirname(SESSION_HOOK)), 'hook', 'build.mjs')
  throw new CommandFailure(
    EXIT.environment,
    `${SESSION_HOOK}: ${messageOf(error)}: expected a program for ${process.arch}: make it with \`node ${build}\``,
  )
}
