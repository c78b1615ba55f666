import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { parseAlias, parseTag } from '@trireme/core'
import { SESSION_HOOK } from '@trireme/monitor-user-session'
import { findSocket } from '../control/find-socket.js'
import { CommandFailure, EXIT, messageOf } from '../failure.js'
import { ownCommand } from '../own-command.js'
import { assertPort } from '../port-range.js'
import { removeIfEmpty } from '../remove-if-empty.js'
import { requireRoot } from '../require-root.js'
import { assertRootOnly } from '../root-only.js'
import { assertStarterRuns } from '../starter.js'
import { assertServiceName, dropInText } from '../units/drop-in.js'

export interface ProtectOptions {
  readonly socket?: string
  readonly label: readonly string[]
  readonly port: readonly string[]
  readonly alias: readonly string[]
  readonly networkOnly?: boolean
  /** Where drop-ins belong. */
  readonly unitDir: string
}

const execute = promisify(execFile)

/** There where systemd is the init (sd_booted(3)). */
const BOOTED = '/run/systemd/system'

/** `trireme protect UNIT`: from its next start on, the service is a PU at every start, or does not start. */
export async function protectCommand(options: ProtectOptions, unit: string): Promise<number> {
  requireRoot('protect')
  const { label, port, alias, networkOnly = false, unitDir } = options
  assertServiceName(unit)
  label.map(parseTag)
  port.map(assertPort)
  alias.map(parseAlias)
  const socket = await findSocket(options.socket, EXIT.environment)
  const file = dropInFile(unitDir, unit)
  const lists = { labels: label, ports: port, aliases: alias }
  const command = ownCommand()
  await assertStarterRuns()
  for (const path of [SESSION_HOOK, ...command]) await assertRootOnly('protect', path)
  const text = dropInText({ unit, command: [SESSION_HOOK, '--', ...command], socket, ...lists, networkOnly })
  await mkdir(dirname(file), { recursive: true, mode: 0o755 })
  await writeFile(`${file}.new`, text, { mode: 0o644 })
  await rename(`${file}.new`, file)
  await reload()
  process.stdout.write(`${file}: ${unit} is protected from its next start on: systemctl restart ${unit}\n`)
  return 0
}

/** `trireme unprotect UNIT`: from its next start on, the service is no PU. Idempotent. */
export async function unprotectCommand(
  { unitDir }: Pick<ProtectOptions, 'unitDir'>,
  unit: string,
): Promise<number> {
  requireRoot('unprotect')
  assertServiceName(unit)
  const file = dropInFile(unitDir, unit)
  await rm(file, { force: true })
  if (existsSync(dirname(file))) await removeIfEmpty(dirname(file))
  await reload()
  process.stdout.write(`${unit} is protected until it stops, and not from its next start on\n`)
  return 0
}

function dropInFile(unitDir: string, unit: string): string {
  return join(unitDir, `${unit}.d`, '50-trireme.conf')
}

async function reload(): Promise<void> {
  if (!existsSync(BOOTED)) return
  await execute('systemctl', ['daemon-reload']).catch(error => {
    throw new CommandFailure(EXIT.environment, `systemctl daemon-reload: ${messageOf(error)}`)
  })
}
