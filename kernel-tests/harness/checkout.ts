import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const HERE = dirname(fileURLToPath(import.meta.url))

/** The folder of this checkout. */
export const CHECKOUT = join(HERE, '..', '..')

/** This checkout's command line tool. */
export const TRIREME = join(CHECKOUT, 'trireme')

/** The command line of one of the harness's programs. */
export function program(
  name:
    | 'attempts'
    | 'caller'
    | 'echo-server'
    | 'live-streams'
    | 'many-sessions'
    | 'recorder'
    | 'self-call'
    | 'session'
    | 'streams-client'
    | 'streams-server'
    | 'timed-connects'
    | 'udp-listener',
  ...args: readonly string[]
): readonly string[] {
  return [process.execPath, join(HERE, 'programs', `${name}.mjs`), ...args]
}
