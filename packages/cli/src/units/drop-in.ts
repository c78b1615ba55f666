import { CommandFailure, EXIT } from '../failure.js'

/** What makes a unit of systemd's a PU whenever it starts. */
export interface UnitProtection {
  readonly unit: string
  /** The program and its arguments before `unit-start`, absolute. */
  readonly command: readonly string[]
  readonly socket: string
  readonly labels: readonly string[]
  readonly ports: readonly string[]
  readonly aliases: readonly string[]
  readonly networkOnly: boolean
}

/**
 * Passes the name of a service as systemd writes it (systemd.unit(5)).
 * @throws CommandFailure for anything else, whatever leads out of the folder of units among it.
 */
export function assertServiceName(unit: string): void {
  if (unit.length <= 255 && /^[A-Za-z0-9:_][A-Za-z0-9:_.@\\-]*\.service$/.test(unit)) return
  throw new CommandFailure(
    EXIT.badInput,
    `unit ${JSON.stringify(unit)}: expected a service such as nginx.service`,
  )
}

/**
 * The drop-in. The rule names the unit's cgroup, and systemd makes that anew at every start, so the rule is made anew, too, before
 * the unit's own program runs. Where that fails the unit does not start.
 */
export function dropInText(protection: UnitProtection): string {
  const { unit, command, socket, labels, ports, aliases, networkOnly } = protection
  const argv = [
    ...[...command, 'unit-start', '--socket', socket, '--name', unit],
    ...labels.flatMap(label => ['--label', label]),
    ...ports.flatMap(port => ['--port', port]),
    ...aliases.flatMap(alias => ['--alias', alias]),
    ...(networkOnly ? ['--network-only'] : []),
  ]
  return `# Written by \`trireme protect ${unit}\`, removed by \`trireme unprotect ${unit}\`.
[Service]
ExecStartPre=+${argv.map(quoted).join(' ')}
`
}

/** As a command line of systemd's takes it (systemd.service(5), "Command lines"): `%`, `$`, quotes and backslashes are its own. */
function quoted(text: string): string {
  if (/[\p{Cc}]/u.test(text)) {
    throw new CommandFailure(EXIT.badInput, `${JSON.stringify(text)}: a unit takes no control characters`)
  }
  const escaped = text.replace(/[\\"]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$')
  return `"${escaped}"`
}
